"""What the flow decides and the table of transitions forbids is the flow's fault, never called a damaged log."""

import pytest

from smithersd.core.log import events
from smithersd.core.log.fold import RunState
from smithersd.core.log.journal import Journal
from smithersd.core.tree.reads import Readers


def test_an_illegal_move_of_the_flow_is_an_error_of_the_engine_and_enters_no_step() -> None:
    journal = Journal(RunState("r"), Readers())
    journal.emit(events.RunStarted("flow"))
    with pytest.raises(AssertionError, match="illegal move: NodeStarted of 'a' before NodePending"):
        journal.emit(events.NodeStarted("a", 0, 1))
    assert [recorded.event for recorded in journal.take().events] == [events.RunStarted("flow")]

"""A log that lost, doubled or swapped events is read as a legal one or refused with the seq, and nothing else."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd.core.log import events
from smithersd.core.log.events import Event, Recorded
from smithersd.core.log.fold import fold
from smithersd.core.log.states import Interruption
from smithersd.errors import StoreInvalid
from tests.properties.test_flow import run_undisturbed
from tests.properties.trees import Spec, trees


def _numbered(log: list[Event]) -> list[Recorded]:
    return [Recorded(seq, seq, event) for seq, event in enumerate(log)]


def _refusal(log: list[Event]) -> int | None:
    """The seq at which a log is refused, None where it is legal."""
    try:
        fold("r", _numbered(log))
    except StoreInvalid as error:
        said = re.fullmatch(r"The log of run 'r' is damaged at seq (\d+): .+\.", error.message)
        return int(said[1]) if said else -1
    return None


@given(trees(may_vanish=True), st.data())
@settings(max_examples=100)
def test_a_damaged_log_is_legal_or_refused_with_its_seq(spec: Spec, data: st.DataObject) -> None:
    log = [recorded.event for recorded in run_undisturbed(spec).log]
    place = data.draw(st.integers(0, len(log) - 1))
    match data.draw(st.sampled_from(["removed", "doubled", "swapped"])):
        case "removed":
            log.pop(place)
        case "doubled":
            log.insert(place, log[place])
        case _:
            other = data.draw(st.integers(0, len(log) - 1))
            log[place], log[other] = log[other], log[place]
    said = _refusal(log)
    assert said is None or 0 <= said < len(log)


@given(trees(), st.data())
@settings(max_examples=50)
def test_a_log_with_a_gap_is_refused_where_the_gap_is(spec: Spec, data: st.DataObject) -> None:
    log = run_undisturbed(spec).log
    place = data.draw(st.integers(0, len(log) - 2))
    with pytest.raises(StoreInvalid, match=f"damaged at seq {place + 1}: seq {place} was expected"):
        fold("r", log[:place] + log[place + 1 :])


def test_a_refused_event_leaves_the_state_as_it_was() -> None:
    state = fold("r", _numbered([events.RunStarted("flow"), events.NodePending("a", 0, "task")]))
    with pytest.raises(StoreInvalid) as refused:
        state.apply(Recorded(2, 2, events.NodeInterrupted("a", 0, 1, Interruption.CRASH)))
    assert refused.value.message == "The log of run 'r' is damaged at seq 2: NodeInterrupted of 'a' from pending."
    assert state == fold("r", _numbered([events.RunStarted("flow"), events.NodePending("a", 0, "task")]))

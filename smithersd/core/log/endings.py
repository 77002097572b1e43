"""The ways in which a run ends, and the events that record them, the terminal event last.

The events are the same whether an engine ends the run, or another process cancels a run that has no driver.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from smithersd.core.log import events
from smithersd.core.log.events import Event
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import Cancellation, NodeState
from smithersd.errors import ErrorInfo


@dataclass(frozen=True, slots=True)
class Finish:
    """Every node has ended; `result` is the node whose output is the run's result, None if there is none."""

    result: NodeKey | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """A node or the workflow itself failed for good."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Cancel:
    """The run was cancelled on request."""


@dataclass(frozen=True, slots=True)
class Suspend:
    """The driver stops on request, and the run can be resumed."""

    reason: str


Ending = Finish | Fail | Cancel | Suspend


def closing_events(state: RunState, ending: Ending) -> list[Event]:
    """Return the events that would end a run in its present state."""
    match ending:
        case Finish(result):
            return [events.RunFinished(*(result or ()))]
        case Fail(error):
            return [*_cancellations(state, Cancellation.RUN_FAILED), events.RunFailed(error)]
        case Cancel():
            return [*_cancellations(state, Cancellation.ABORTED), events.RunCancelled()]
        case Suspend(reason):
            return [events.RunSuspended(reason)]
        case _:
            assert_never(ending)


def cancellation_of(node: NodeRecord, reason: Cancellation) -> Event:
    """Return the event that cancels a node in its present state."""
    attempt = node.attempt if node.state is NodeState.IN_PROGRESS else None
    return events.NodeCancelled(node.node_id, node.iteration, reason, attempt)


def _cancellations(state: RunState, reason: Cancellation) -> Iterator[Event]:
    for node in _unfinished(state.nodes.values()):
        yield cancellation_of(node, reason)


def _unfinished(nodes: Iterable[NodeRecord]) -> Iterator[NodeRecord]:
    """Yield the nodes that have started and not ended; those that were never reached stay pending."""
    for node in nodes:
        if node.has_begun and not node.state.is_final:
            yield node

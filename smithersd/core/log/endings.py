"""How a run ends: the reason, and the events that say so, terminal event last.

The same events end a run whether its engine decides it or somebody cancels a run that nobody drives.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from smithersd.core.log import events
from smithersd.core.log.events import Event
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeRecord
from smithersd.core.log.states import Cancellation, NodeState
from smithersd.errors import ErrorInfo


@dataclass(frozen=True, slots=True)
class Finish:
    """Every node has ended."""


@dataclass(frozen=True, slots=True)
class Fail:
    """A node or the workflow itself failed for good."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody cancelled the run."""


@dataclass(frozen=True, slots=True)
class Suspend:
    """The driver stops on purpose; the run can be resumed."""

    reason: str


Ending = Finish | Fail | Cancel | Suspend


def closing_events(state: RunState, ending: Ending) -> list[Event]:
    """Return what closes a run as it stands; it changes nothing."""
    match ending:
        case Finish():
            return [events.RunFinished()]
        case Fail(error):
            return [*_cancellations(state, Cancellation.RUN_FAILED), events.RunFailed(error)]
        case Cancel():
            return [*_cancellations(state, Cancellation.ABORTED), events.RunCancelled()]
        case Suspend(reason):
            return [events.RunSuspended(reason)]
        case _:
            assert_never(ending)


def cancellation_of(node: NodeRecord, reason: Cancellation) -> Event:
    """Return the event that cancels a node as it stands."""
    attempt = node.attempt if node.state is NodeState.IN_PROGRESS else None
    return events.NodeCancelled(node.node_id, node.iteration, reason, attempt)


def _cancellations(state: RunState, reason: Cancellation) -> Iterator[Event]:
    for node in _begun(state.nodes.values()):
        yield cancellation_of(node, reason)


def _begun(nodes: Iterable[NodeRecord]) -> Iterator[NodeRecord]:
    """Nodes that have begun and not ended; those that were never reached stay pending."""
    for node in nodes:
        if node.has_begun and not node.state.is_final:
            yield node

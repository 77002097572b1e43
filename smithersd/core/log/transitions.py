"""The state machine of a run as one table: in which states an event may occur, and to which state it leads.

The same events change four kinds of state: of the run, its nodes, their attempts and their waits. The fold
(`core/log/fold.py`) refuses what the table does not allow, the store writes each node's state according to it, and
`scripts/draw_states.py` draws it. A new event needs a row here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, TypeVar

from smithersd.core.log import events
from smithersd.core.log.events import Event
from smithersd.core.log.states import AttemptState, NodeState, RunStatus, WaitKind, WaitStatus

State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Move(Generic[State]):
    """How an event may change one kind of state.

    `sources` are the states in which the event may occur; None stands for "does not exist yet". `target` is the state
    that it leads to; None if the state does not change, or if the event itself names one of `choices`. They are tuples,
    since they are searched for every event of a log, and a few comparisons are faster than a hash.
    """

    sources: tuple[State | None, ...]
    target: State | None = None
    choices: tuple[State, ...] = ()

    def edges(self) -> list[tuple[State | None, State]]:
        """Return each (from, to) that changes the state."""
        targets = self.choices if self.target is None else (self.target,)
        return [(source, target) for source in self.sources for target in targets if source is not target]


@dataclass(frozen=True, slots=True)
class WaitMove(Move[WaitStatus]):
    """How an event may change its node's wait of a kind; with `kind` None, all open waits of the node.

    `due_at_ms` reads from an event that opens a wait when the wait ends by itself; None if it does not.
    """

    kind: WaitKind | None = None
    due_at_ms: Callable[[Any], int | None] | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """How an event may change its run, its node, and that node's latest attempt and waits.

    None if the event is not about such a thing. An event that ends a node also ends its running attempt and its open
    waits, if there are any.
    """

    run: Move[RunStatus]
    node: Move[NodeState] | None = None
    attempt: Move[AttemptState] | None = None
    wait: WaitMove | None = None


_LIVE = tuple(status for status in RunStatus if status is RunStatus.RUNNING or status.is_waiting)
_LIVE_OR_SUSPENDED = (*_LIVE, RunStatus.SUSPENDED)
_PENDING_OR_IN_PROGRESS = (NodeState.PENDING, NodeState.IN_PROGRESS)

_WHILE_LIVE = Move(_LIVE)
_ALSO_WHILE_SUSPENDED = Move(_LIVE_OR_SUSPENDED)
_WHILE_IN_PROGRESS = Move((NodeState.IN_PROGRESS,))
_WHILE_ATTEMPTED = Move((AttemptState.IN_PROGRESS,))

TRANSITIONS: Mapping[type, Transition] = {
    # The run.
    events.RunStarted: Transition(Move((None,), RunStatus.RUNNING)),
    events.RunResumed: Transition(Move(_LIVE_OR_SUSPENDED, RunStatus.RUNNING)),
    events.RunStatusChanged: Transition(Move(_LIVE, choices=_LIVE)),
    events.RunSuspended: Transition(Move(_LIVE, RunStatus.SUSPENDED)),
    events.RunFinished: Transition(Move(_LIVE, RunStatus.FINISHED)),
    events.RunFailed: Transition(Move(_LIVE, RunStatus.FAILED)),
    events.RunCancelled: Transition(Move(_LIVE_OR_SUSPENDED, RunStatus.CANCELLED)),
    events.FrameCommitted: Transition(_WHILE_LIVE),
    events.BranchDecided: Transition(_WHILE_LIVE),
    # Nodes and their attempts.
    events.NodePending: Transition(_WHILE_LIVE, Move((None, NodeState.PENDING), NodeState.PENDING)),
    events.NodeStarted: Transition(
        _WHILE_LIVE,
        Move((NodeState.PENDING,), NodeState.IN_PROGRESS),
        attempt=Move((None,), AttemptState.IN_PROGRESS),
    ),
    events.NodeOutput: Transition(_WHILE_LIVE, _WHILE_IN_PROGRESS, attempt=_WHILE_ATTEMPTED),
    events.NodeProgress: Transition(_WHILE_LIVE, _WHILE_IN_PROGRESS, attempt=_WHILE_ATTEMPTED),
    events.TaskHeartbeat: Transition(_WHILE_LIVE, _WHILE_IN_PROGRESS, attempt=_WHILE_ATTEMPTED),
    events.NodeFinished: Transition(
        _WHILE_LIVE,
        Move(_PENDING_OR_IN_PROGRESS, NodeState.FINISHED),
        attempt=Move((AttemptState.IN_PROGRESS,), AttemptState.FINISHED),
    ),
    events.NodeFailed: Transition(
        _WHILE_LIVE,
        Move(_PENDING_OR_IN_PROGRESS, NodeState.FAILED),
        attempt=Move((AttemptState.IN_PROGRESS,), AttemptState.FAILED),
    ),
    events.NodeRetrying: Transition(_WHILE_LIVE, Move((NodeState.FAILED, NodeState.PENDING), NodeState.PENDING)),
    events.NodeInterrupted: Transition(
        _WHILE_LIVE,
        Move((NodeState.IN_PROGRESS,), NodeState.PENDING),
        attempt=Move((AttemptState.IN_PROGRESS,), AttemptState.INTERRUPTED),
    ),
    events.NodeSkipped: Transition(_WHILE_LIVE, Move((NodeState.PENDING,), NodeState.SKIPPED)),
    events.NodeCancelled: Transition(
        _ALSO_WHILE_SUSPENDED,
        Move(tuple(state for state in NodeState if not state.is_final), NodeState.CANCELLED),
        attempt=Move((AttemptState.IN_PROGRESS,), AttemptState.CANCELLED),
        wait=WaitMove((WaitStatus.OPEN,), WaitStatus.CANCELLED),
    ),
    # Approvals. A question that was edited is asked again.
    events.ApprovalRequested: Transition(
        _WHILE_LIVE,
        Move((NodeState.PENDING, NodeState.WAITING_APPROVAL)),
        wait=WaitMove((None, WaitStatus.OPEN), WaitStatus.OPEN, kind=WaitKind.APPROVAL),
    ),
    events.NodeWaitingApproval: Transition(
        _WHILE_LIVE,
        Move((NodeState.PENDING,), NodeState.WAITING_APPROVAL),
        wait=WaitMove((WaitStatus.OPEN,), kind=WaitKind.APPROVAL),
    ),
    events.ApprovalGranted: Transition(
        _ALSO_WHILE_SUSPENDED,
        Move((NodeState.WAITING_APPROVAL,), NodeState.PENDING),
        wait=WaitMove((WaitStatus.OPEN,), WaitStatus.ENDED, kind=WaitKind.APPROVAL),
    ),
    events.ApprovalDenied: Transition(
        _ALSO_WHILE_SUSPENDED,
        Move((NodeState.WAITING_APPROVAL,), NodeState.PENDING),
        wait=WaitMove((WaitStatus.OPEN,), WaitStatus.ENDED, kind=WaitKind.APPROVAL),
    ),
    # Timers. One that is reached late never waits.
    events.TimerCreated: Transition(
        _WHILE_LIVE,
        Move((NodeState.PENDING,)),
        wait=WaitMove((None,), WaitStatus.OPEN, kind=WaitKind.TIMER, due_at_ms=attrgetter("fires_at_ms")),
    ),
    events.NodeWaitingTimer: Transition(
        _WHILE_LIVE,
        Move((NodeState.PENDING,), NodeState.WAITING_TIMER),
        wait=WaitMove((WaitStatus.OPEN,), kind=WaitKind.TIMER),
    ),
    events.TimerFired: Transition(
        _ALSO_WHILE_SUSPENDED,
        Move((NodeState.PENDING, NodeState.WAITING_TIMER), NodeState.PENDING),
        wait=WaitMove((WaitStatus.OPEN,), WaitStatus.ENDED, kind=WaitKind.TIMER),
    ),
    # Signals. What an edited node waits for is said again.
    events.SignalReceived: Transition(_ALSO_WHILE_SUSPENDED),
    events.NodeWaitingEvent: Transition(
        _WHILE_LIVE,
        Move((NodeState.PENDING, NodeState.WAITING_EVENT), NodeState.WAITING_EVENT),
        wait=WaitMove(
            (None, WaitStatus.OPEN), WaitStatus.OPEN, kind=WaitKind.SIGNAL, due_at_ms=attrgetter("times_out_at_ms")
        ),
    ),
    events.SignalDelivered: Transition(
        _WHILE_LIVE,
        Move((NodeState.WAITING_EVENT,), NodeState.PENDING),
        wait=WaitMove((WaitStatus.OPEN,), WaitStatus.ENDED, kind=WaitKind.SIGNAL),
    ),
    events.SignalRefused: Transition(
        _WHILE_LIVE,
        Move((NodeState.WAITING_EVENT,)),
        wait=WaitMove((WaitStatus.OPEN,), kind=WaitKind.SIGNAL),
    ),
    events.SignalTimedOut: Transition(
        _WHILE_LIVE,
        Move((NodeState.WAITING_EVENT,), NodeState.PENDING),
        wait=WaitMove((WaitStatus.OPEN,), WaitStatus.ENDED, kind=WaitKind.SIGNAL),
    ),
}
"""The transition of each event; a test checks that no event is missing."""


def node_state_after(event: Event) -> NodeState | None:
    """Return the state to which an event changes its node, or None if it does not change one."""
    move = TRANSITIONS[type(event)].node
    return None if move is None else move.target


def attempt_state_after(event: Event) -> AttemptState | None:
    """Return the state to which an event changes the attempt that it names, or None if it does not change one."""
    move = TRANSITIONS[type(event)].attempt
    names_attempt = getattr(event, "attempt", None) is not None
    return move.target if move is not None and names_attempt else None


def run_status_after(event: Event) -> RunStatus | None:
    """Return the status to which an event changes its run, or None if it does not change it."""
    if isinstance(event, events.RunStatusChanged):
        return event.status
    return TRANSITIONS[type(event)].run.target

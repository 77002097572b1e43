"""The state machine of a run, as one table: from which states an event may come, and to which state it leads.

Four machines move by the same events: the run, its nodes, their attempts and their approvals. The fold
(`core/log/fold.py`) refuses what the table does not allow, the store writes each node's state by it, and
`scripts/draw-states` draws it. A new event gets its line here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, TypeVar

from smithersd.core.log import events
from smithersd.core.log.events import Event
from smithersd.core.log.states import ApprovalStatus, AttemptState, NodeState, RunStatus

State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Move(Generic[State]):
    """What an event may do to one state.

    `sources` are the states that it may find; None among them: there is nothing yet. `target` is the state that it
    leads to, None where the state stays as it is, or where the event itself names one of `choices`.
    """

    sources: frozenset[State | None]
    target: State | None = None
    choices: frozenset[State] = frozenset()

    def edges(self) -> list[tuple[State | None, State]]:
        """Return each (from, to) that changes the state, in the order of the states' declaration."""
        targets = self.choices or ({self.target} if self.target is not None else set())
        pairs = [(source, target) for source in self.sources for target in targets if source is not target]
        return sorted(pairs, key=lambda pair: (_rank(pair[0]), _rank(pair[1])))


@dataclass(frozen=True, slots=True)
class Transition:
    """What an event may do: to its run, and to its node, that node's latest attempt and its approval.

    None: it is not about such a thing. An event that ends a node ends its attempt, if one is under way, and closes its
    approval, if nobody has decided; so the moves of attempts and approvals count for nodes that have one.
    """

    run: Move[RunStatus]
    node: Move[NodeState] | None = None
    attempt: Move[AttemptState] | None = None
    approval: Move[ApprovalStatus] | None = None


def _move(source: State | None, target: State | None = None) -> Move[State]:
    return Move(frozenset({source}), target)


_LIVE: frozenset[RunStatus] = frozenset(
    status for status in RunStatus if status is RunStatus.RUNNING or status.is_waiting
)
_LIVE_OR_SUSPENDED = _LIVE | {RunStatus.SUSPENDED}
_NOT_ENDED: frozenset[NodeState | None] = frozenset(state for state in NodeState if not state.is_final)
_PENDING_OR_IN_PROGRESS = frozenset({NodeState.PENDING, NodeState.IN_PROGRESS})

_WHILE_LIVE: Move[RunStatus] = Move(_LIVE)
_ALSO_WHILE_SUSPENDED: Move[RunStatus] = Move(_LIVE_OR_SUSPENDED)
_WHILE_IN_PROGRESS: Move[NodeState] = _move(NodeState.IN_PROGRESS)
_WHILE_ATTEMPTED: Move[AttemptState] = _move(AttemptState.IN_PROGRESS)

TRANSITIONS: Mapping[type, Transition] = MappingProxyType(
    {
        # The run.
        events.RunStarted: Transition(_move(None, RunStatus.RUNNING)),
        events.RunResumed: Transition(Move(_LIVE_OR_SUSPENDED, RunStatus.RUNNING)),
        events.RunStatusChanged: Transition(Move(_LIVE, choices=_LIVE)),
        events.RunSuspended: Transition(Move(_LIVE, RunStatus.SUSPENDED)),
        events.RunFinished: Transition(Move(_LIVE, RunStatus.FINISHED)),
        events.RunFailed: Transition(Move(_LIVE, RunStatus.FAILED)),
        events.RunCancelled: Transition(Move(_LIVE_OR_SUSPENDED, RunStatus.CANCELLED)),
        events.FrameCommitted: Transition(_WHILE_LIVE),
        events.BranchDecided: Transition(_WHILE_LIVE),
        # Nodes and their attempts.
        events.NodePending: Transition(_WHILE_LIVE, Move(frozenset({None, NodeState.PENDING}), NodeState.PENDING)),
        events.NodeStarted: Transition(
            _WHILE_LIVE,
            _move(NodeState.PENDING, NodeState.IN_PROGRESS),
            attempt=_move(None, AttemptState.IN_PROGRESS),
        ),
        events.NodeOutput: Transition(_WHILE_LIVE, _WHILE_IN_PROGRESS, attempt=_WHILE_ATTEMPTED),
        events.NodeProgress: Transition(_WHILE_LIVE, _WHILE_IN_PROGRESS, attempt=_WHILE_ATTEMPTED),
        events.TaskHeartbeat: Transition(_WHILE_LIVE, _WHILE_IN_PROGRESS, attempt=_WHILE_ATTEMPTED),
        events.NodeFinished: Transition(
            _WHILE_LIVE,
            Move(_PENDING_OR_IN_PROGRESS, NodeState.FINISHED),
            attempt=_move(AttemptState.IN_PROGRESS, AttemptState.FINISHED),
        ),
        events.NodeFailed: Transition(
            _WHILE_LIVE,
            Move(_PENDING_OR_IN_PROGRESS, NodeState.FAILED),
            attempt=_move(AttemptState.IN_PROGRESS, AttemptState.FAILED),
        ),
        events.NodeRetrying: Transition(
            _WHILE_LIVE, Move(frozenset({NodeState.FAILED, NodeState.PENDING}), NodeState.PENDING)
        ),
        events.NodeInterrupted: Transition(
            _WHILE_LIVE,
            _move(NodeState.IN_PROGRESS, NodeState.PENDING),
            attempt=_move(AttemptState.IN_PROGRESS, AttemptState.INTERRUPTED),
        ),
        events.NodeSkipped: Transition(_WHILE_LIVE, _move(NodeState.PENDING, NodeState.SKIPPED)),
        events.NodeCancelled: Transition(
            _ALSO_WHILE_SUSPENDED,
            Move(_NOT_ENDED, NodeState.CANCELLED),
            attempt=_move(AttemptState.IN_PROGRESS, AttemptState.CANCELLED),
            approval=_move(ApprovalStatus.REQUESTED, ApprovalStatus.CANCELLED),
        ),
        # Approvals. A question that was edited is asked again.
        events.ApprovalRequested: Transition(
            _WHILE_LIVE,
            Move(frozenset({NodeState.PENDING, NodeState.WAITING_APPROVAL})),
            approval=Move(frozenset({None, ApprovalStatus.REQUESTED}), ApprovalStatus.REQUESTED),
        ),
        events.NodeWaitingApproval: Transition(
            _WHILE_LIVE,
            _move(NodeState.PENDING, NodeState.WAITING_APPROVAL),
            approval=_move(ApprovalStatus.REQUESTED),
        ),
        events.ApprovalGranted: Transition(
            _ALSO_WHILE_SUSPENDED,
            _move(NodeState.WAITING_APPROVAL, NodeState.PENDING),
            approval=_move(ApprovalStatus.REQUESTED, ApprovalStatus.GRANTED),
        ),
        events.ApprovalDenied: Transition(
            _ALSO_WHILE_SUSPENDED,
            _move(NodeState.WAITING_APPROVAL, NodeState.PENDING),
            approval=_move(ApprovalStatus.REQUESTED, ApprovalStatus.DENIED),
        ),
    }
)
"""What each event may do; a test holds that no event is missing."""


def node_state_after(event: Event) -> NodeState | None:
    """Return the state to which an event brings its node; None where that stays as it is, or there is no node."""
    move = TRANSITIONS[type(event)].node
    return None if move is None else move.target


def attempt_state_after(event: Event) -> AttemptState | None:
    """Return the state to which an event brings the attempt that it names, None where that stays as it is."""
    move = TRANSITIONS[type(event)].attempt
    names_attempt = getattr(event, "attempt", None) is not None
    return move.target if move is not None and names_attempt else None


def approval_status_after(event: Event) -> ApprovalStatus | None:
    """Return the status to which an event brings its node's open approval, None where that stays as it is."""
    move = TRANSITIONS[type(event)].approval
    return None if move is None else move.target


def run_status_after(event: Event) -> RunStatus | None:
    """Return the status to which an event brings its run, None where that stays as it is."""
    if isinstance(event, events.RunStatusChanged):
        return event.status
    return TRANSITIONS[type(event)].run.target


def _rank(state: StrEnum | None) -> int:
    """A state's place in its enum, what is not there yet before all."""
    return -1 if state is None else [*type(state)].index(state)

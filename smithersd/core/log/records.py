"""What a run's log says of each node: the records that the fold (`core/log/fold.py`) keeps and every reader shows."""

from dataclasses import dataclass, field
from typing import Self

from smithersd.core.log import events
from smithersd.core.log.events import Event, JsonValue
from smithersd.core.log.states import AttemptState, Interruption, NodeState, WaitKind, WaitStatus
from smithersd.elements import Decision
from smithersd.errors import ErrorInfo

NodeKey = tuple[str, int]
"""The unit of state: (node id, iteration)."""

FIRST_ITERATION = 0
"""The iteration of what stands in no loop."""


@dataclass(slots=True)
class AttemptRecord:
    """One try of a task or shell node; numbered from 1."""

    attempt: int
    state: AttemptState
    started_at_ms: int
    finished_at_ms: int | None = None
    error: ErrorInfo | None = None
    interruption: Interruption | None = None
    heartbeat: JsonValue = None


@dataclass(frozen=True, slots=True)
class WaitRecord:
    """What one node iteration waits for, or has waited for.

    `request` is the event that asks, `answer` the one that has ended the wait. `due_at_ms` is when it ends by itself at
    the latest; None: not before somebody acts.
    """

    key: NodeKey
    kind: WaitKind
    request: Event
    requested_at_ms: int
    due_at_ms: int | None = None
    status: WaitStatus = WaitStatus.OPEN
    answer: Event | None = None
    ended_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """What a node asks of a person, and the decision once it is there."""

    request: events.ApprovalRequested
    requested_at_ms: int
    decision: Decision | None = None

    @classmethod
    def of(cls, wait: WaitRecord) -> Self:
        """Read an approval from the wait for it."""
        assert isinstance(wait.request, events.ApprovalRequested)
        return cls(wait.request, wait.requested_at_ms, None if wait.answer is None else _decision(wait.answer))

    @property
    def is_approved(self) -> bool | None:
        """Whether a person approved; None where nobody has decided."""
        return None if self.decision is None else self.decision.approved


def _decision(event: events.Event) -> Decision:
    assert isinstance(event, (events.ApprovalGranted, events.ApprovalDenied))
    return Decision.model_construct(  # the log was checked when it was written
        approved=isinstance(event, events.ApprovalGranted),
        note=event.note,
        decided_by=event.decided_by,
        decided_at_ms=event.decided_at_ms,
        decision=event.decision,
    )


@dataclass(slots=True)
class NodeRecord:
    """Everything that the log says about one node iteration."""

    node_id: str
    iteration: int
    kind: str
    label: str | None
    state: NodeState = NodeState.PENDING
    attempts: list[AttemptRecord] = field(default_factory=list)
    failures: int = 0
    crashes_in_row: int = 0
    retry_at_ms: int | None = None
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    error: ErrorInfo | None = None
    waits: dict[WaitKind, WaitRecord] = field(default_factory=dict)
    reused_from: str | None = None

    @property
    def key(self) -> NodeKey:
        """The node's place in `RunState.nodes`."""
        return (self.node_id, self.iteration)

    @property
    def attempt(self) -> int:
        """The number of the latest attempt, 0 before the first."""
        return self.attempts[-1].attempt if self.attempts else 0

    @property
    def has_begun(self) -> bool:
        """Whether the flow has done anything with it: tried, asked, skipped or taken over."""
        is_untouched = self.state in {NodeState.PENDING, NodeState.CANCELLED} and not self.waits
        return bool(self.attempts) or not is_untouched

    @property
    def approval(self) -> ApprovalRecord | None:
        """What it asks of a person, and what was decided; None if it never asked."""
        wait = self.waits.get(WaitKind.APPROVAL)
        return None if wait is None else ApprovalRecord.of(wait)

    @property
    def waits_since_ms(self) -> int | None:
        """When it first began to wait for something other than a retry, None if it never did."""
        return min((wait.requested_at_ms for wait in self.waits.values()), default=None)

    @property
    def has_output(self) -> bool:
        """Whether the node ended with an output."""
        return self.state is NodeState.FINISHED

    @property
    def last_heartbeat(self) -> JsonValue:
        """The data of the latest heartbeat of any attempt: the next attempt's checkpoint."""
        return next((a.heartbeat for a in reversed(self.attempts) if a.heartbeat is not None), None)


@dataclass(frozen=True, slots=True)
class BranchRecord:
    """What was decided at a branch, and the nodes that its condition looked at."""

    value: bool
    reads: tuple[str, ...]

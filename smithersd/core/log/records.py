"""What a run's log says of each node: the records that the fold (`core/log/fold.py`) keeps and every reader shows."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from smithersd.core.log.events import JsonValue
from smithersd.core.log.states import ApprovalStatus, AttemptState, Interruption, NodeState
from smithersd.elements.kinds import OnDeny, TimerType
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


@dataclass(slots=True)
class ApprovalRecord:
    """What a node asks of a person, and the decision once it is there."""

    title: str
    summary: str | None
    metadata: JsonValue
    show: str | None
    on_deny: OnDeny
    requested_at_ms: int
    status: ApprovalStatus = ApprovalStatus.REQUESTED
    note: str | None = None
    decided_by: str | None = None
    decision: JsonValue = None
    decided_at_ms: int | None = None

    @property
    def is_granted(self) -> bool | None:
        """Whether a person said yes; None where nobody has decided."""
        match self.status:
            case ApprovalStatus.GRANTED:
                return True
            case ApprovalStatus.DENIED:
                return False
            case ApprovalStatus.REQUESTED | ApprovalStatus.CANCELLED:
                return None
            case _:
                assert_never(self.status)


class WaitKind(StrEnum):
    """What a node waits for."""

    DECISION = "decision"
    RETRY = "retry"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class WaitRecord:
    """What one node iteration waits for: since when, and until when at the latest (None: until somebody acts)."""

    key: NodeKey
    kind: WaitKind
    since_ms: int
    due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TimerRecord:
    """When a timer fires, and how that time was given."""

    created_at_ms: int
    fires_at_ms: int
    timer_type: TimerType


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
    approval: ApprovalRecord | None = None
    timer: TimerRecord | None = None
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
        is_untouched = self.state in {NodeState.PENDING, NodeState.CANCELLED} and self.waits_since_ms is None
        return bool(self.attempts) or not is_untouched

    @property
    def waits_since_ms(self) -> int | None:
        """When it began to wait for a person or a time, None if it never did."""
        if self.approval is not None:
            return self.approval.requested_at_ms
        return None if self.timer is None else self.timer.created_at_ms

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

"""Records of nodes, attempts and waits, which the fold (`core/log/fold.py`) keeps and readers show."""

from dataclasses import dataclass, field
from typing import Self

from smithersd.core.log import events
from smithersd.core.log.events import Event, JsonValue
from smithersd.core.log.states import AttemptState, Interruption, NodeState, WaitKind, WaitStatus
from smithersd.elements import Decision
from smithersd.errors import ErrorInfo

NodeKey = tuple[str, int]
"""Identifies a node iteration: (node id, iteration)."""

FIRST_ITERATION = 0
"""The first iteration of a node, and the only one of a node outside loops."""


@dataclass(slots=True)
class AttemptRecord:
    """One attempt of a task or shell node; numbered from 1."""

    attempt: int
    state: AttemptState
    started_at_ms: int
    finished_at_ms: int | None = None
    error: ErrorInfo | None = None
    interruption: Interruption | None = None
    heartbeat: JsonValue = None


@dataclass(frozen=True, slots=True)
class WaitRecord:
    """A wait of one node iteration.

    `request` is the event that began the wait, `answer` the one that ended it. `due_at_ms` is when the wait ends by
    itself, None if it does not.
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
    """A node's question to a person, and the decision, None until there is one."""

    request: events.ApprovalRequested
    requested_at_ms: int
    decision: Decision | None = None

    @classmethod
    def of(cls, wait: WaitRecord) -> Self:
        """Return the approval of a wait for one."""
        assert isinstance(wait.request, events.ApprovalRequested)
        return cls(wait.request, wait.requested_at_ms, None if wait.answer is None else _decision(wait.answer))

    @property
    def is_approved(self) -> bool | None:
        """Whether a person has approved; None if nobody has decided yet."""
        return None if self.decision is None else self.decision.approved


def _decision(event: events.Event) -> Decision:
    assert isinstance(event, (events.ApprovalGranted, events.ApprovalDenied))
    return Decision.model_construct(  # without validation, which was done before it was written
        approved=isinstance(event, events.ApprovalGranted),
        note=event.note,
        decided_by=event.decided_by,
        decided_at_ms=event.decided_at_ms,
        decision=event.decision,
    )


@dataclass(slots=True)
class NodeRecord:
    """The state of one node iteration."""

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
        """The key of the node iteration in `RunState.nodes`."""
        return (self.node_id, self.iteration)

    @property
    def attempt(self) -> int:
        """The number of the latest attempt, 0 before the first."""
        return self.attempts[-1].attempt if self.attempts else 0

    @property
    def has_begun(self) -> bool:
        """Whether the flow has done anything with the node: attempted, asked, skipped or reused it."""
        is_untouched = self.state in {NodeState.PENDING, NodeState.CANCELLED} and not self.waits
        return bool(self.attempts) or not is_untouched

    @property
    def approval(self) -> ApprovalRecord | None:
        """The node's approval, or None if it never asked for one."""
        wait = self.waits.get(WaitKind.APPROVAL)
        return None if wait is None else ApprovalRecord.of(wait)

    @property
    def waits_since_ms(self) -> int | None:
        """When the node first began to wait for something other than a retry, or None if it never did."""
        return min((wait.requested_at_ms for wait in self.waits.values()), default=None)

    @property
    def has_output(self) -> bool:
        """Whether the node ended with an output."""
        return self.state is NodeState.FINISHED

    @property
    def last_heartbeat(self) -> JsonValue:
        """The data of the latest heartbeat of any attempt, which the next attempt gets."""
        return next((a.heartbeat for a in reversed(self.attempts) if a.heartbeat is not None), None)


@dataclass(frozen=True, slots=True)
class BranchRecord:
    """The value of a branch's condition, and the nodes that the condition has read."""

    value: bool
    reads: tuple[str, ...]

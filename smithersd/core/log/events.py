"""The events of a run: immutable facts, numbered by seq from 0.

An event is a frozen dataclass; on the wire and in the store it is flat JSON with camelCase names:
`{"type", "runId", ...fields, "timestampMs"}`. Fields marked `omitted_when_none` are absent when they say nothing.
The seq is not part of the JSON: the store's row and the stream's `id:` carry it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from smithersd.core.log.states import Cancellation, Interruption, RunStatus
from smithersd.elements.kinds import OnDeny, TimerType
from smithersd.errors import ErrorInfo

JsonValue = Any
"""A value that JSON can hold, as the json module would give it."""


def _optional(decode: Callable[[Any], Any] | None = None) -> Any:
    """A field that is absent from the JSON when it is None."""
    return field(default=None, metadata={"omitted_when_none": True, "decode": decode})


def _decoded(decode: Callable[[Any], Any]) -> Any:
    """A field whose JSON value is turned into an enum or a record when it is read back."""
    return field(metadata={"decode": decode})


def _error(value: Any) -> ErrorInfo:
    return ErrorInfo(value["code"], value["name"], value["message"])


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run's first event, once in its life; `redo` are nodes of the earlier run that are not taken over."""

    workflow_name: str
    from_run_id: str | None = _optional()
    redo: tuple[str, ...] | None = _optional(tuple)


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A driver took the run up again; from here the status is running."""

    fence: int
    workflow_changed: bool


@dataclass(frozen=True, slots=True)
class RunStatusChanged:
    """The run went over among running and the waiting statuses."""

    status: RunStatus = _decoded(RunStatus)


@dataclass(frozen=True, slots=True)
class RunSuspended:
    """The run was stopped on purpose and can be resumed."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Terminal: every node has ended and none failed it."""


@dataclass(frozen=True, slots=True)
class RunFailed:
    """Terminal: a node or the workflow function failed for good."""

    error: ErrorInfo = _decoded(_error)


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """Terminal: somebody cancelled the run."""


@dataclass(frozen=True, slots=True)
class FrameCommitted:
    """A rendering changed the tree."""

    frame_no: int
    hash: str


@dataclass(frozen=True, slots=True)
class NodePending:
    """The node is part of the tree from here on."""

    node_id: str
    iteration: int
    kind: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class NodeSkipped:
    """The node's skip_if was true, or its approval was denied with on_deny="skip"."""

    node_id: str
    iteration: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """An attempt begins; its code runs only once this is durable."""

    node_id: str
    iteration: int
    attempt: int


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """The node has ended with an output."""

    node_id: str
    iteration: int
    attempt: int | None = _optional()
    reused_from: str | None = _optional()


@dataclass(frozen=True, slots=True)
class NodeFailed:
    """An attempt failed (a NodeRetrying may follow), or a node without attempts did."""

    node_id: str
    iteration: int
    error: ErrorInfo = _decoded(_error)
    attempt: int | None = _optional()


@dataclass(frozen=True, slots=True)
class NodeRetrying:
    """The node will be tried again: `attempt` is the next one, `retry_at_ms` its due time."""

    node_id: str
    iteration: int
    attempt: int
    retry_at_ms: int


@dataclass(frozen=True, slots=True)
class NodeInterrupted:
    """An attempt ended without its own fault; it uses up no retry."""

    node_id: str
    iteration: int
    attempt: int
    reason: Interruption = _decoded(Interruption)


@dataclass(frozen=True, slots=True)
class NodeCancelled:
    """The node will never run (again): the run ended or the tree dropped it."""

    node_id: str
    iteration: int
    reason: Cancellation = _decoded(Cancellation)
    attempt: int | None = _optional()


@dataclass(frozen=True, slots=True)
class NodeWaitingApproval:
    """The node waits for a person."""

    node_id: str
    iteration: int


@dataclass(frozen=True, slots=True)
class NodeWaitingTimer:
    """The node waits for a time."""

    node_id: str
    iteration: int
    fires_at_ms: int


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """What an attempt printed; `stream` is stdout or stderr."""

    node_id: str
    iteration: int
    attempt: int
    text: str
    stream: str
    truncated: bool | None = _optional()


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """How far an attempt is, in its own words."""

    node_id: str
    iteration: int
    attempt: int
    done: float | None
    total: float | None
    message: str | None


@dataclass(frozen=True, slots=True)
class TaskHeartbeat:
    """An attempt is alive; the next attempt finds `data` as its last_heartbeat."""

    node_id: str
    iteration: int
    attempt: int
    data: JsonValue


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """A node asks for a person's decision, again when its question was edited meanwhile.

    `show` is the id of the node whose output helps to decide.
    """

    node_id: str
    iteration: int
    title: str
    summary: str | None
    metadata: JsonValue
    show: str | None
    on_deny: OnDeny = _decoded(OnDeny)


@dataclass(frozen=True, slots=True)
class ApprovalGranted:
    """A person said yes."""

    node_id: str
    iteration: int
    note: str | None
    decided_by: str | None
    decision: JsonValue
    decided_at_ms: int


@dataclass(frozen=True, slots=True)
class ApprovalDenied:
    """A person said no."""

    node_id: str
    iteration: int
    note: str | None
    decided_by: str | None
    decision: JsonValue
    decided_at_ms: int


@dataclass(frozen=True, slots=True)
class TimerCreated:
    """The flow has reached a timer: when it fires stands from here on."""

    node_id: str
    iteration: int
    fires_at_ms: int
    timer_type: TimerType = _decoded(TimerType)


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time has come, `delay_ms` ago; or somebody fired it, as much before its time as that is below zero."""

    node_id: str
    iteration: int
    delay_ms: int
    fired_by: str | None = _optional()


@dataclass(frozen=True, slots=True)
class BranchDecided:
    """A branch's condition was judged; it is never judged again. `reads` are the nodes that it looked at."""

    node_id: str
    iteration: int
    value: bool
    reads: tuple[str, ...] | None = _optional(tuple)


Event = (
    RunStarted
    | RunResumed
    | RunStatusChanged
    | RunSuspended
    | RunFinished
    | RunFailed
    | RunCancelled
    | FrameCommitted
    | NodePending
    | NodeSkipped
    | NodeStarted
    | NodeFinished
    | NodeFailed
    | NodeRetrying
    | NodeInterrupted
    | NodeCancelled
    | NodeWaitingApproval
    | NodeWaitingTimer
    | NodeOutput
    | NodeProgress
    | TaskHeartbeat
    | ApprovalRequested
    | ApprovalGranted
    | ApprovalDenied
    | TimerCreated
    | TimerFired
    | BranchDecided
)
"""Any event; `match` over it ends in assert_never."""

EVENT_TYPES = frozenset(event_class.__name__ for event_class in Event.__args__)
"""Every type name that a log can hold."""

TERMINAL_TYPES = frozenset({"RunFinished", "RunFailed", "RunCancelled"})
"""Types of the event that ends a run; exactly one of them is the log's last event."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the run's log."""

    seq: int
    timestamp_ms: int
    event: Event

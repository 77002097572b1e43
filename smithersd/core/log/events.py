"""The events of a run: immutable facts, numbered by seq from 0.

An event is a frozen dataclass; on the wire and in the store it is flat JSON with camelCase names:
`{"type", "runId", ...fields, "timestampMs"}`. Fields marked `omitted_when_none` are absent when they say nothing.
The seq is not part of the JSON: the store's row and the stream's `id:` carry it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from smithersd.core.log.states import Cancellation, Interruption, RunStatus
from smithersd.elements.kinds import OnDeny, OnTimeout, TimerType
from smithersd.errors import ErrorInfo

JsonValue = Any
"""A value that JSON can hold, as the json module would give it."""


def _optional(decode: Callable[[Any], Any] | None = None) -> Any:
    """Return a field that is absent from the JSON when it is None."""
    return field(default=None, metadata={"omitted_when_none": True, "decode": decode})


def _decoded(decode: Callable[[Any], Any]) -> Any:
    """Return a field whose JSON value is converted to an enum or a record when it is read."""
    return field(metadata={"decode": decode})


def _error(value: Any) -> ErrorInfo:
    return ErrorInfo(value["code"], value["name"], value["message"])


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run's first event; `redo` are the nodes of the run `from_run_id` whose results are not reused.

    At `times_out_at_ms` the run fails if it has not ended.
    """

    workflow_name: str
    from_run_id: str | None = _optional()
    redo: tuple[str, ...] | None = _optional(tuple)
    times_out_at_ms: int | None = _optional()


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A driver has resumed the run, whose status is running from here on.

    `times_out_at_ms` is anew what the workflow says: it may have been edited.
    """

    fence: int
    workflow_changed: bool
    times_out_at_ms: int | None = _optional()


@dataclass(frozen=True, slots=True)
class RunStatusChanged:
    """The run has changed between running and a waiting status, or between two waiting statuses."""

    status: RunStatus = _decoded(RunStatus)


@dataclass(frozen=True, slots=True)
class RunSuspended:
    """The run was stopped on request and can be resumed."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Terminal: every node has ended, and no failure has failed the run. The result is the output of the node named."""

    result_node_id: str | None = _optional()
    result_iteration: int | None = _optional()


@dataclass(frozen=True, slots=True)
class RunFailed:
    """Terminal: a node or the workflow function failed for good."""

    error: ErrorInfo = _decoded(_error)


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """Terminal: the run was cancelled on request."""


@dataclass(frozen=True, slots=True)
class FrameCommitted:
    """A rendering has changed the tree."""

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
    """An attempt starts; its code runs only after this event is durable."""

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
    """An attempt has failed, or a node that has no attempts; unless `is_final`, a NodeRetrying follows."""

    node_id: str
    iteration: int
    error: ErrorInfo = _decoded(_error)
    is_final: bool = _decoded(bool)
    attempt: int | None = _optional()


@dataclass(frozen=True, slots=True)
class NodeRetrying:
    """The node will be tried again: `attempt` is the next attempt, `retry_at_ms` its due time."""

    node_id: str
    iteration: int
    attempt: int
    retry_at_ms: int


@dataclass(frozen=True, slots=True)
class NodeInterrupted:
    """An attempt was interrupted, which is not its own fault and does not count as one of its retries."""

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
    """An attempt has printed text; `stream` is stdout or stderr."""

    node_id: str
    iteration: int
    attempt: int
    text: str
    stream: str
    truncated: bool | None = _optional()


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """An attempt has reported its progress, in a unit of its own."""

    node_id: str
    iteration: int
    attempt: int
    done: float | None
    total: float | None
    message: str | None


@dataclass(frozen=True, slots=True)
class TaskHeartbeat:
    """An attempt has reported that it is alive; the next attempt gets `data` as its last_heartbeat."""

    node_id: str
    iteration: int
    attempt: int
    data: JsonValue


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """A node asks for a person's decision, again if its question has been edited.

    `show` is the id of the node whose output is shown with the question.
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
    """A person has approved."""

    node_id: str
    iteration: int
    note: str | None
    decided_by: str | None
    decision: JsonValue
    decided_at_ms: int


@dataclass(frozen=True, slots=True)
class ApprovalDenied:
    """A person has denied."""

    node_id: str
    iteration: int
    note: str | None
    decided_by: str | None
    decision: JsonValue
    decided_at_ms: int


@dataclass(frozen=True, slots=True)
class TimerCreated:
    """The flow has reached a timer, whose due time is fixed from here on."""

    node_id: str
    iteration: int
    fires_at_ms: int
    timer_type: TimerType = _decoded(TimerType)


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer has fired, `delay_ms` after its due time; negative if it was fired before that on request."""

    node_id: str
    iteration: int
    delay_ms: int
    fired_by: str | None = _optional()


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """Somebody has sent the run a signal; it is kept until a node takes it, the oldest first.

    Only a node that waits for this name and this `correlation_id` takes it (none: one that waits for none).
    """

    name: str
    data: JsonValue
    sent_at_ms: int
    correlation_id: str | None = _optional()
    sent_by: str | None = _optional()


@dataclass(frozen=True, slots=True)
class NodeWaitingEvent:
    """The node waits for a signal, again when what it waits for was edited meanwhile."""

    node_id: str
    iteration: int
    name: str
    correlation_id: str | None = _optional()
    times_out_at_ms: int | None = _optional()
    on_timeout: OnTimeout | None = _optional(OnTimeout)


@dataclass(frozen=True, slots=True)
class SignalDelivered:
    """The node has taken a signal, which was received with the event `signal_seq`."""

    node_id: str
    iteration: int
    signal_seq: int


@dataclass(frozen=True, slots=True)
class SignalRefused:
    """The data of a signal do not fit the node's output type: the signal is gone, and the node waits on."""

    node_id: str
    iteration: int
    signal_seq: int
    error: ErrorInfo = _decoded(_error)


@dataclass(frozen=True, slots=True)
class SignalTimedOut:
    """No signal has come in time; the time was over `delay_ms` ago."""

    node_id: str
    iteration: int
    delay_ms: int


@dataclass(frozen=True, slots=True)
class BranchDecided:
    """A branch's condition was evaluated, once and for all; `reads` are the nodes that it has read."""

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
    | SignalReceived
    | NodeWaitingEvent
    | SignalDelivered
    | SignalRefused
    | SignalTimedOut
    | BranchDecided
)
"""Any event; a `match` over all of them ends in assert_never."""

EVENT_TYPES = frozenset(event_class.__name__ for event_class in Event.__args__)
"""The type names of all events."""

TERMINAL_TYPES = frozenset({"RunFinished", "RunFailed", "RunCancelled"})
"""The types of events that end a run; the last event of an ended run is the only one of these in its log."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its number and time in the run's log."""

    seq: int
    timestamp_ms: int
    event: Event

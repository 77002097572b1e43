"""The rows that are written to a store and read from it, the same for every backend.

Times are integer milliseconds since the epoch. JSON is text, which is not interpreted here.
"""

from dataclasses import dataclass
from enum import StrEnum

from smithersd.core.log.records import NodeKey, WaitRecord
from smithersd.core.log.states import AttemptState, NodeState, RunStatus


class RequestKind(StrEnum):
    """What a request asks of a run."""

    DECIDE = "decide"
    FIRE = "fire"
    SIGNAL = "signal"
    CANCEL = "cancel"


class Topic(StrEnum):
    """What a subscriber of a run is notified of."""

    EVENTS = "events"
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True)
class NewRun:
    """The values of a run that are written once, when it starts."""

    workflow_name: str
    workflow_path: str | None
    workflow_hash: str | None
    input: str
    from_run_id: str | None
    created_at_ms: int
    owner: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A row of `runs`, with the run's input. `owner` is JSON text while a process holds the lease, else None."""

    run_id: str
    workflow_name: str
    workflow_path: str | None
    workflow_hash: str | None
    status: RunStatus
    input: str
    from_run_id: str | None
    created_at_ms: int
    finished_at_ms: int | None
    error: str | None
    last_seq: int
    fence: int
    owner: str | None
    lease_expires_at_ms: int | None
    store_now_ms: int
    """The store's clock when the row was read; the lease's end must be compared with this clock only."""

    @property
    def is_leased(self) -> bool:
        """Whether the run has an owner whose lease has not run out; the owner may be dead all the same."""
        return (
            self.owner is not None
            and self.lease_expires_at_ms is not None
            and self.lease_expires_at_ms > self.store_now_ms
        )


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that a prune may delete. `is_needed` says that a live run reuses its results."""

    run_id: str
    status: RunStatus
    finished_at_ms: int
    is_needed: bool


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `events`; `payload` is the event's JSON text.

    The fields after it are written for users of SQL, and are None in a row that was read: the iteration and attempt
    that the event is about, and the states to which it changes node and attempt, None if it does not change them.
    """

    seq: int
    timestamp_ms: int
    type: str
    node_id: str | None
    payload: str
    iteration: int | None = None
    attempt: int | None = None
    node_state: NodeState | None = None
    attempt_state: AttemptState | None = None


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A row of `outputs`; `output` is JSON text that is valid for the node's schema."""

    node_id: str
    iteration: int
    output: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A row of `frames`: what one rendering has changed.

    `scopes` is JSON text: an object that maps scope ids to their new trees, or to null for a removed scope. The whole
    tree at a frame is the merge of all rows up to it (`core/tree/frames.py`), so that a row is as small as its change.
    """

    frame_no: int
    created_at_ms: int
    hash: str
    scopes: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows that one step writes; the events are numbered without a gap from the run's last_seq on.

    A wait replaces the one of the same node iteration and kind. `status`, `signals_kept`, `finished_at_ms` and `error`
    are the new values of the run's row.
    """

    status: RunStatus
    events: tuple[EventRow, ...] = ()
    outputs: tuple[OutputRow, ...] = ()
    frames: tuple[FrameRow, ...] = ()
    waits: tuple[WaitRecord, ...] = ()
    signals_kept: int = 0
    finished_at_ms: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction of the driver that holds `fence`.

    `applied` are the ids of the requests that `batch` applies; they are deleted with it. `closing` is written in the
    same transaction, but only if no other request is pending, so that the end never overtakes an accepted request.
    `closing_applied` are the ids of the requests that `closing` applies (a cancellation): they do not prevent it, and
    are deleted only with it, so that a crash before the end does not lose them.
    `is_release` gives the lease back in the same transaction if `closing` is written.
    """

    run_id: str
    fence: int
    batch: Batch
    new_run: NewRun | None = None
    applied: tuple[int, ...] = ()
    closing: Batch | None = None
    closing_applied: tuple[int, ...] = ()
    is_release: bool = False


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A row of `requests`: a request to a run that was accepted and is not applied yet.

    `node_id` and `iteration` name the wait that it ends, None if it is for the whole run. `payload` is JSON text whose
    form depends on the kind.
    """

    id: int
    kind: RequestKind
    node_id: str | None
    iteration: int | None
    sender: str | None
    payload: str | None
    created_at_ms: int

    @property
    def wait_key(self) -> NodeKey:
        """The node iteration whose wait the request ends."""
        assert self.node_id is not None, f"request {self.id} is for the run"
        assert self.iteration is not None, f"request {self.id} is for the run"
        return (self.node_id, self.iteration)


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a commit: whether `closing` was written, else the requests that prevented it."""

    is_closed: bool
    requests: tuple[RequestRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Submitted:
    """An accepted request. `request_id` is None if the same request was applied before."""

    run_id: str
    request_id: int | None
    is_leased: bool
    """Whether a process held the lease when the request was accepted."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of a run, as its new driver gets it."""

    run: RunRow
    fence: int
    former_owner: str | None = None
    """The owner that crashed, let the lease run out, or was forced to give it up; None if it had been given back."""

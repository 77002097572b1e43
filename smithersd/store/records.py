"""The rows that go into a store and come out of it, the same for every backend.

Times are integer milliseconds since the epoch, ids are ours, JSON is text: nothing here interprets it.
"""

from dataclasses import dataclass
from enum import StrEnum

from smithersd.core.log.records import NodeKey, WaitRecord
from smithersd.core.log.states import AttemptState, NodeState, RunStatus


class RequestKind(StrEnum):
    """What others may ask of a run."""

    DECIDE = "decide"
    FIRE = "fire"
    CANCEL = "cancel"


class Topic(StrEnum):
    """What a subscriber of a run wants to be woken by."""

    EVENTS = "events"
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True)
class NewRun:
    """What is written once, when a run begins."""

    workflow_name: str
    workflow_path: str | None
    workflow_hash: str | None
    input: str
    from_run_id: str | None
    created_at_ms: int
    owner: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A row of `runs`. `owner` is JSON text while somebody holds the lease, else None."""

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
    """The store's own clock when the row was read: compare the lease with this one only."""

    @property
    def is_leased(self) -> bool:
        """Whether an owner is named whose lease has not run out (it may have died all the same)."""
        return (
            self.owner is not None
            and self.lease_expires_at_ms is not None
            and self.lease_expires_at_ms > self.store_now_ms
        )


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What a prune must know of a run. `is_needed` says that a live run takes over what it has done."""

    run_id: str
    status: RunStatus
    finished_at_ms: int
    is_needed: bool


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `events`; `payload` is the event's JSON text.

    What stands below it is written for those who read with SQL, and None in a row that was read: which node iteration
    and attempt the event is about, and the states to which it brings them, None where they stay as they are.
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
    """A row of `outputs`; `output` is JSON text that the node's schema has accepted."""

    node_id: str
    iteration: int
    output: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A row of `frames`: what one rendering changed.

    `scopes` is JSON text: an object from scope id to its new tree, or to null where the scope is gone. The whole
    tree at a frame is the merge of all rows up to it (`core/tree/frames.py`), so that a frame costs what it changed.
    """

    frame_no: int
    created_at_ms: int
    hash: str
    scopes: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step writes; events are already numbered and dense after the run's last_seq.

    A wait replaces the one of the same node iteration and kind. `status`, `finished_at_ms` and `error` become the run
    row's.
    """

    status: RunStatus
    events: tuple[EventRow, ...] = ()
    outputs: tuple[OutputRow, ...] = ()
    frames: tuple[FrameRow, ...] = ()
    waits: tuple[WaitRecord, ...] = ()
    finished_at_ms: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction of the driver that holds `fence`.

    `applied` are the ids of requests whose effect `batch` holds; they are deleted with it. `closing` is written in the
    same transaction only if no request is left after that: what was accepted is never overtaken by an end.
    `closing_applied` are ids of requests whose effect `closing` is (a cancel): they do not stand in its way, and are
    deleted only with it, so that a cancel is not forgotten by a crash before the end.
    `is_release` gives the lease back in the same transaction, provided that `closing` was written.
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
    """A row of `requests`: what somebody asks of a run, accepted and still to be applied.

    `node_id` and `iteration` say which wait it ends, None where it is for the run. `payload` is what came with it, as
    JSON text that its kind understands.
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
        """Which node iteration waits for it."""
        assert self.node_id is not None, f"request {self.id} is for the run"
        assert self.iteration is not None, f"request {self.id} is for the run"
        return (self.node_id, self.iteration)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did: whether `closing` was written, and else which requests stood in its way."""

    is_closed: bool
    requests: tuple[RequestRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Submitted:
    """An accepted request. `request_id` is None when the very same had been applied before."""

    run_id: str
    request_id: int | None
    is_leased: bool
    """Whether somebody held the lease when the request was accepted."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to drive a run: what the new driver must know of it."""

    run: RunRow
    fence: int
    former_owner: str | None = None
    """Whose name was still on it: one who crashed, let it run out or was forced; None where it had been given back."""

"""The transaction of a run's driver: write one step under its fence, and end the run only if no request is pending."""

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from smithersd.core.log.states import RunStatus
from smithersd.errors import LeaseLost, RunExists
from smithersd.store.records import (
    Batch,
    Commit,
    Committed,
    EventRow,
    FrameRow,
    NewRun,
    OutputRow,
    RequestRow,
)
from smithersd.store.requests import next_request_rows
from smithersd.store.statements import Many, Parameters, Statement, Transaction
from smithersd.store.waits import wait_parameters

_Written = EventRow | OutputRow | FrameRow

_COLUMNS = {kind: tuple(field.name for field in fields(kind)) for kind in (EventRow, OutputRow, FrameRow)}
_VALUES = {kind: attrgetter(*columns) for kind, columns in _COLUMNS.items()}


def commit_step(commit: Commit, lease_ms: int) -> Transaction[Committed]:
    """Write a step, and renew the lease.

    Committing the same step again changes nothing and returns the same, in case the first result was lost.

    Raises:
        RunExists: there is a run with the id of the new one.
        LeaseLost: the fence was raised; nothing is written.
    """
    if commit.new_run is not None:
        yield from _insert_run(commit.run_id, commit.fence, commit.new_run, lease_ms)
    last_seq = yield from _write(commit, commit.batch, lease_ms)
    if commit.applied:
        yield Many("delete_request", [{"id": request_id} for request_id in commit.applied])
    if commit.closing is None:
        return Committed(is_closed=False)
    if last_seq >= _last_seq(commit.closing):  # written before; requests that came after that must not count
        return Committed(is_closed=True)
    requests = yield from next_request_rows(commit.run_id)
    unseen = tuple(row for row in requests if row.id not in commit.closing_applied)
    if unseen:
        return Committed(is_closed=False, requests=unseen)
    yield from _close(commit, commit.closing, requests, lease_ms)
    return Committed(is_closed=True)


def _close(commit: Commit, closing: Batch, requests: list[RequestRow], lease_ms: int) -> Transaction[None]:
    if requests:
        yield Many("delete_request", [{"id": row.id} for row in requests])
    yield from _write(commit, closing, lease_ms)
    if commit.is_release:
        yield Statement("release_lease", {"run_id": commit.run_id, "fence": commit.fence})


def _insert_run(run_id: str, fence: int, new: NewRun, lease_ms: int) -> Transaction[None]:
    rows = yield Statement(
        "insert_run",
        {
            "run_id": run_id,
            "workflow_name": new.workflow_name,
            "workflow_path": new.workflow_path,
            "workflow_hash": new.workflow_hash,
            "status": RunStatus.RUNNING,
            "from_run_id": new.from_run_id,
            "created_at_ms": new.created_at_ms,
            "fence": fence,
            "owner": new.owner,
            "lease_ms": lease_ms,
        },
    )
    if not rows:
        raise RunExists(
            f"Run {run_id!r} exists already.", remedy="Resume it with --resume, or choose another --run-id."
        )
    yield Statement("insert_input", {"run_id": run_id, "input": new.input})


def _write(commit: Commit, batch: Batch, lease_ms: int) -> Transaction[int]:
    """Write a batch unless it was written before; return the seq of the run's last event."""
    rows = yield Statement("advance_run", _advance(commit, batch, lease_ms))
    if not rows:
        return (yield from _written_before(commit, batch))
    yield from _insert_rows(commit.run_id, batch)
    last_seq: int = rows[0]["last_seq"]
    return last_seq


def _advance(commit: Commit, batch: Batch, lease_ms: int) -> Parameters:
    """Return the new values of the run's row, and the seq that the batch must follow."""
    return {
        "run_id": commit.run_id,
        "fence": commit.fence,
        "before_seq": batch.events[0].seq - 1 if batch.events else None,
        "last_seq": _last_seq(batch),
        "status": batch.status,
        "signals_kept": batch.signals_kept,
        "finished_at_ms": batch.finished_at_ms,
        "error": batch.error,
        "lease_ms": lease_ms,
    }


def _last_seq(batch: Batch) -> int:
    return batch.events[-1].seq if batch.events else -1


def _written_before(commit: Commit, batch: Batch) -> Transaction[int]:
    """Return the run's last seq if the batch was written before; only the holder of the fence can have done that.

    Raises:
        LeaseLost: the fence was raised, or the lease was given back.
    """
    rows = yield Statement("select_last_seq", {"run_id": commit.run_id, "fence": commit.fence})
    last_seq: int = rows[0]["last_seq"] if rows else -1
    if rows and last_seq >= _last_seq(batch):
        return last_seq
    raise LeaseLost(
        f"Run {commit.run_id!r} was taken over by another driver.",
        remedy="Let the other driver continue; this one has written nothing.",
    )


def _insert_rows(run_id: str, batch: Batch) -> Transaction[None]:
    tables: tuple[tuple[str, Sequence[_Written]], ...] = (
        ("insert_event", batch.events),
        ("insert_output", batch.outputs),
        ("insert_frame", batch.frames),
    )
    for name, rows in tables:
        if rows:
            yield Many(name, [_parameters(run_id, row) for row in rows])
    if batch.waits:
        yield Many("put_wait", [wait_parameters(run_id, wait) for wait in batch.waits])


def _parameters(run_id: str, row: _Written) -> Parameters:
    parameters = dict(zip(_COLUMNS[type(row)], _VALUES[type(row)](row), strict=True))
    parameters["run_id"] = run_id
    return parameters

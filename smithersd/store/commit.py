"""The driver's transaction: one step, under its fence, and an end only if the inbox is empty."""

from smithersd.errors import LeaseLost, RunExists
from smithersd.store.reading import inbox_rows
from smithersd.store.records import ApprovalRow, Batch, Commit, Committed, InboxRow, NewRun
from smithersd.store.statements import Many, Statement, Transaction


def commit_step(commit: Commit, lease_ms: int) -> Transaction[Committed]:
    """Write a step, and give the lease its full time again.

    The same step again changes nothing and has the same answer, in case the first answer was lost.

    Raises:
        RunExists: a new run's id is taken.
        LeaseLost: the fence was raised; nothing is written.
    """
    if commit.new_run is not None:
        yield from _insert_run(commit.run_id, commit.fence, commit.new_run, lease_ms)
    last_seq = yield from _write(commit, commit.batch, lease_ms)
    if commit.applied:
        yield Many("delete_inbox", [(inbox_id,) for inbox_id in commit.applied])
    if commit.closing is None:
        return Committed(is_closed=False)
    if last_seq >= _last_seq(commit.closing):  # before the inbox, where something newer may stand by now
        return Committed(is_closed=True)
    inbox = yield from inbox_rows(commit.run_id)
    unseen = tuple(row for row in inbox if row.id not in commit.closing_applied)
    if unseen:
        return Committed(is_closed=False, inbox=unseen)
    yield from _close(commit, commit.closing, inbox, lease_ms)
    return Committed(is_closed=True)


def _close(commit: Commit, closing: Batch, inbox: list[InboxRow], lease_ms: int) -> Transaction[None]:
    if inbox:
        yield Many("delete_inbox", [(row.id,) for row in inbox])
    yield from _write(commit, closing, lease_ms)
    if commit.is_release:
        yield Statement("release_lease", (commit.run_id, commit.fence))


def _insert_run(run_id: str, fence: int, new: NewRun, lease_ms: int) -> Transaction[None]:
    rows = yield Statement(
        "insert_run",
        (
            run_id,
            new.workflow_name,
            new.workflow_path,
            new.workflow_hash,
            "running",
            new.from_run_id,
            new.created_at_ms,
            fence,
            new.owner,
            lease_ms,
        ),
    )
    if not rows:
        raise RunExists(
            f"Run {run_id!r} exists already.", remedy="Go on with it by --resume, or choose another --run-id."
        )
    yield Statement("insert_input", (run_id, new.input))


def _write(commit: Commit, batch: Batch, lease_ms: int) -> Transaction[int]:
    """Write a batch, unless it stands already; return the seq of the run's last event."""
    run_id = commit.run_id
    rows = yield Statement("advance_run", (run_id, commit.fence, *_advance(batch), lease_ms))
    if not rows:
        return (yield from _written_before(commit, batch))
    yield from _insert_rows(run_id, batch)
    last_seq: int = rows[0][0]
    return last_seq


def _advance(batch: Batch) -> tuple[object, ...]:
    """What a batch makes of the run's row: the seq that it follows and the one that it ends with come first."""
    before = batch.events[0].seq - 1 if batch.events else None
    return before, _last_seq(batch), batch.status.value, batch.finished_at_ms, batch.error


def _last_seq(batch: Batch) -> int:
    return batch.events[-1].seq if batch.events else -1


def _written_before(commit: Commit, batch: Batch) -> Transaction[int]:
    """Tell why the run's row did not move: the batch is in it (only who holds the fence writes), or the lease is lost.

    Raises:
        LeaseLost: the fence was raised, or the lease was given back.
    """
    rows = yield Statement("select_last_seq", (commit.run_id, commit.fence))
    last_seq: int = rows[0][0] if rows else -1
    if rows and last_seq >= _last_seq(batch):
        return last_seq
    raise LeaseLost(
        f"Run {commit.run_id!r} was taken over by another driver.",
        remedy="Let that one go on; nothing was written here.",
    )


def _insert_rows(run_id: str, batch: Batch) -> Transaction[None]:
    if batch.events:
        yield Many(
            "insert_event", [(run_id, e.seq, e.timestamp_ms, e.type, e.node_id, e.payload) for e in batch.events]
        )
    if batch.outputs:
        yield Many(
            "insert_output", [(run_id, o.node_id, o.iteration, o.output, o.created_at_ms) for o in batch.outputs]
        )
    if batch.frames:
        yield Many("insert_frame", [(run_id, f.frame_no, f.created_at_ms, f.hash, f.scopes) for f in batch.frames])
    if batch.approvals:
        yield Many("put_approval", [_approval_parameters(run_id, approval) for approval in batch.approvals])


def _approval_parameters(run_id: str, approval: ApprovalRow) -> tuple[object, ...]:
    return (
        run_id,
        approval.node_id,
        approval.iteration,
        approval.status.value,
        approval.title,
        approval.summary,
        approval.metadata,
        approval.show,
        approval.on_deny.value,
        approval.requested_at_ms,
        approval.note,
        approval.decided_by,
        approval.decision,
        approval.decided_at_ms,
    )

"""A run's summary from its row, and from what this machine knows of the process that holds its lease."""

import json

from smithersd.engine.lease.owner import Owner
from smithersd.errors import ErrorInfo
from smithersd.query.run_info import LeaseHolder, RunInfo
from smithersd.store.records import RunRow


def run_info(row: RunRow) -> RunInfo:
    """Return the summary of a run."""
    return RunInfo(
        run_id=row.run_id,
        workflow_name=row.workflow_name,
        workflow_path=row.workflow_path,
        status=row.status,
        input=row.input,
        from_run_id=row.from_run_id,
        started_at_ms=row.created_at_ms,
        finished_at_ms=row.finished_at_ms,
        error=None if row.error is None else ErrorInfo(**json.loads(row.error)),
        last_seq=row.last_seq,
        holder=_holder(row),
    )


def is_driven(row: RunRow) -> bool:
    """Return whether a process holds the run's lease and is not known to be dead."""
    holder = _holder(row)
    return holder is not None and holder.is_driving


def driver_name(row: RunRow) -> str | None:
    """Return the name of the process that drives a run, or None if none does."""
    holder = _holder(row)
    return holder.name if holder is not None and holder.is_driving else None


def _holder(row: RunRow) -> LeaseHolder | None:
    if row.owner is None:
        return None
    owner = Owner.from_text(row.owner)
    process = owner.process
    expires_at_ms = row.store_now_ms if row.lease_expires_at_ms is None else row.lease_expires_at_ms
    return LeaseHolder(
        identity=process,
        host=process.host,
        pid=process.pid,
        is_local=process.is_local,
        is_dead=owner.is_dead,
        lease_left_ms=expires_at_ms - row.store_now_ms,
    )

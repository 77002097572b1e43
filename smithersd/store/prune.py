"""Delete runs that have ended, a limited number of rows in each transaction, so that no writer waits for long.

The first transaction deletes the run's input, without which no reader finds the run. A deletion that was interrupted is
continued by the next one. Events are deleted from the last to the first, so that the rest of a log has no gap.
"""

from smithersd.core.log.states import RunStatus
from smithersd.limits import PRUNE_ROWS_MAX
from smithersd.store.records import EndedRun
from smithersd.store.statements import Statement, Transaction

_TABLES = ("requests", "waits", "frames", "outputs", "events")


def ended_runs(finished_before_ms: int, after: EndedRun | None, limit: int) -> Transaction[list[EndedRun]]:
    """Return runs that ended before a time, the oldest first, starting after `after`."""
    rows = yield Statement(
        "select_ended_runs",
        {
            "finished_before_ms": finished_before_ms,
            "after_finished_at_ms": -1 if after is None else after.finished_at_ms,
            "after_run_id": "" if after is None else after.run_id,
            "limit": limit,
        },
    )
    return [
        EndedRun(row["run_id"], RunStatus(row["status"]), row["finished_at_ms"], is_needed=bool(row["is_needed"]))
        for row in rows
    ]


def hide_run(run_id: str, finished_before_ms: int) -> Transaction[bool]:
    """Hide a run from all readers if it ended before a time and no live run needs it; return whether it is hidden."""
    if not (yield Statement("is_prunable", {"run_id": run_id, "finished_before_ms": finished_before_ms})):
        return False
    yield Statement("delete_input", {"run_id": run_id})
    return True


def delete_rows(run_id: str) -> Transaction[bool]:
    """Delete some rows of a hidden run; return whether there may be more."""
    for table in _TABLES:
        if (yield Statement(f"delete_some_{table}", {"run_id": run_id, "limit": PRUNE_ROWS_MAX})):
            return True
    yield Statement("delete_run", {"run_id": run_id})
    return False

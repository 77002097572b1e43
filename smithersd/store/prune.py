"""Deleting runs that have ended, a bounded number of rows in one transaction, so that nobody waits for it.

First a run is made invisible: its input goes, without which no reader finds it. A deletion that is cut short goes on
with the next one. Events go from the last to the first: what is left of a log has no gap.
"""

from smithersd.core.log.states import RunStatus
from smithersd.limits import PRUNE_ROWS_MAX
from smithersd.store.records import EndedRun
from smithersd.store.statements import Statement, Transaction

_TABLES = ("requests", "waits", "frames", "outputs", "events")


def ended_runs(finished_before_ms: int, after: EndedRun | None, limit: int) -> Transaction[list[EndedRun]]:
    """Read runs that ended before a time, the oldest first, from the one after `after` on."""
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
    """Let nobody find a run any more, if it ended before a time and no live run needs it; return whether that is so."""
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

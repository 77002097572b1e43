"""The transactions that read rows as records."""

from smithersd.core.log.states import RunStatus
from smithersd.errors import RunNotFound
from smithersd.limits import EVENT_PAGE_BYTES_MAX, EVENTS_PER_PAGE_MAX, OUTPUT_SMALL_LENGTH, OUTPUTS_HELD_BYTES_MAX
from smithersd.store.records import EventRow, FrameRow, OutputRow, RunRow
from smithersd.store.statements import Page, Row, Statement, Transaction

_FRAME_NO_MAX = 2**62


def run_row(run_id: str) -> Transaction[RunRow]:
    """Return a run's row.

    Raises:
        RunNotFound: there is no such run.
    """
    found = yield from find_run_row(run_id)
    if found is None:
        raise no_such_run(run_id)
    return found


def find_run_row(run_id: str) -> Transaction[RunRow | None]:
    """Return a run's row, or None if there is no such run."""
    rows = yield Statement("select_run", {"run_id": run_id})
    return _run(rows[0]) if rows else None


def run_rows(is_live: bool | None, limit: int) -> Transaction[list[RunRow]]:  # noqa: FBT001 - None is a value too
    """Return runs, the newest first: all (None), those that have not ended (True), or those that have (False)."""
    rows = yield Statement("select_runs", {"is_live": is_live, "limit": limit})
    return [_run(row) for row in rows]


def run_rows_with_prefix(prefix: str, limit: int) -> Transaction[list[RunRow]]:
    """Return the runs whose ids start with a prefix, the newest first."""
    rows = yield Statement("select_runs_with_prefix", {"prefix": prefix, "limit": limit})
    return [_run(row) for row in rows]


def event_rows(run_id: str, after_seq: int, limit: int) -> Transaction[list[EventRow]]:
    """Return events in order: at most `limit`, 5,000, and 4 MiB of payload, but at least one if there is one."""
    parameters = {"run_id": run_id, "after_seq": after_seq, "limit": min(limit, EVENTS_PER_PAGE_MAX)}
    rows = yield Page("select_events", parameters, sized_by="payload", bytes_max=EVENT_PAGE_BYTES_MAX)
    return [EventRow(**row) for row in rows]


def output_rows(run_id: str) -> Transaction[list[OutputRow]]:
    """Return all outputs of a run, in the order in which they were written."""
    rows = yield Statement("select_outputs", {"run_id": run_id})
    return [OutputRow(**row) for row in rows]


def small_output_rows(run_id: str) -> Transaction[list[OutputRow]]:
    """Return small outputs of a run, in no particular order, as many as a driver keeps in memory."""
    parameters = {"run_id": run_id, "length_max": OUTPUT_SMALL_LENGTH}
    rows = yield Page("select_small_outputs", parameters, sized_by="output", bytes_max=OUTPUTS_HELD_BYTES_MAX)
    return [OutputRow(**row) for row in rows]


def output_text(run_id: str, node_id: str, iteration: int) -> Transaction[str | None]:
    """Return one output as JSON text, or None if there is none."""
    rows = yield Statement("select_output", {"run_id": run_id, "node_id": node_id, "iteration": iteration})
    return rows[0]["output"] if rows else None


def shown_output_text(run_id: str, node_id: str, iteration: int) -> Transaction[str | None]:
    """Return the output of a node that an approval of an iteration shows, or None if there is none."""
    rows = yield Statement("select_shown_output", {"run_id": run_id, "node_id": node_id, "iteration": iteration})
    return rows[0]["output"] if rows else None


def frame_rows(run_id: str, after_frame_no: int, up_to_frame_no: int | None) -> Transaction[list[FrameRow]]:
    """Return the frames after `after_frame_no` up to `up_to_frame_no` (None: the last), in order."""
    last = _FRAME_NO_MAX if up_to_frame_no is None else up_to_frame_no
    parameters = {"run_id": run_id, "after_frame_no": after_frame_no, "up_to_frame_no": last}
    rows = yield Statement("select_frames", parameters)
    return [FrameRow(**row) for row in rows]


def ping() -> Transaction[int]:
    """Return the database's time in milliseconds, after reading from the table of runs as a check."""
    rows = yield Statement("ping")
    now_ms: int = rows[0]["now_ms"]
    return now_ms


def no_such_run(run_id: str) -> RunNotFound:
    """Return the error for a run that does not exist."""
    return RunNotFound(f"There is no run {run_id!r}.", remedy="`smithers ps --all` lists all runs.")


def _run(row: Row) -> RunRow:
    return RunRow(**{**row, "status": RunStatus(row["status"])})

"""The rows of `waits`: written with the step that changes them, and read as the same records as the fold's."""

from typing import Any

from smithersd.core.log.event_json import decode, encode
from smithersd.core.log.events import Event
from smithersd.core.log.records import WaitRecord
from smithersd.core.log.states import WaitKind, WaitStatus
from smithersd.errors import StoreInvalid
from smithersd.store.statements import Parameters, Row, Statement, Transaction


def wait_parameters(run_id: str, wait: WaitRecord) -> Parameters:
    """Return the parameters of `put_wait`; the wait's events are stored as the same JSON as in the log."""
    node_id, iteration = wait.key
    return {
        "run_id": run_id,
        "node_id": node_id,
        "iteration": iteration,
        "kind": wait.kind,
        "status": wait.status,
        "request": encode(wait.request, run_id, wait.requested_at_ms),
        "answer": None if wait.answer is None else encode(wait.answer, run_id, wait.ended_at_ms or 0),
        "requested_at_ms": wait.requested_at_ms,
        "due_at_ms": wait.due_at_ms,
        "ended_at_ms": wait.ended_at_ms,
    }


def wait_records(run_id: str, kind: WaitKind) -> Transaction[list[WaitRecord]]:
    """Return a run's waits of a kind, the oldest first."""
    rows = yield Statement("select_waits", {"run_id": run_id, "kind": kind})
    return [_wait(run_id, row) for row in rows]


def waits_of_node(run_id: str, node_id: str, kind: WaitKind) -> Transaction[list[WaitRecord]]:
    """Return a node's waits of a kind, in order of iteration."""
    rows = yield Statement("select_waits_of_node", {"run_id": run_id, "node_id": node_id, "kind": kind})
    return [_wait(run_id, row) for row in rows]


def _wait(run_id: str, row: Row) -> WaitRecord:
    return WaitRecord(
        key=(row["node_id"], row["iteration"]),
        kind=WaitKind(row["kind"]),
        request=_event(run_id, row, "request"),
        requested_at_ms=row["requested_at_ms"],
        due_at_ms=row["due_at_ms"],
        status=WaitStatus(row["status"]),
        answer=None if row["answer"] is None else _event(run_id, row, "answer"),
        ended_at_ms=row["ended_at_ms"],
    )


def _event(run_id: str, row: Row, column: str) -> Event:
    text: Any = row[column]
    try:
        return decode(text)
    except ValueError as error:
        raise StoreInvalid(
            f"The {column} of the wait of node {row['node_id']!r} of run {run_id!r} for its {row['kind']} is damaged: "
            f"{error}.",
            remedy="Restore the store from a backup.",
        ) from error

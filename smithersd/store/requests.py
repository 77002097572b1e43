"""Requests from outside: checked against the run's waits and stored for its driver, in one transaction.

The transaction's first statement locks the run's row, so that the run cannot end between the check and the insert.
An accepted request is stored until the driver has applied it.
"""

import json
from dataclasses import dataclass
from typing import NoReturn

import pydantic_core

from smithersd.core.log.events import SignalReceived
from smithersd.core.log.records import ApprovalRecord, WaitRecord
from smithersd.core.log.states import RunStatus, WaitKind, WaitStatus
from smithersd.elements import Decision
from smithersd.errors import (
    ApprovalAlreadyDecided,
    ApprovalAmbiguous,
    ApprovalNotPending,
    InvalidRequest,
    NodeNotFound,
    RunNotActive,
    TimerNotPending,
    TooManySignals,
)
from smithersd.limits import REQUESTS_PER_STEP_MAX, SIGNALS_KEPT_MAX
from smithersd.store.reading import no_such_run
from smithersd.store.records import RequestKind, RequestRow, Submitted
from smithersd.store.statements import Row, Statement, Transaction
from smithersd.store.waits import waits_of_node

_Left = dict[int | None, RequestRow]
"""The pending requests for a node, by iteration."""


def submit_cancel(run_id: str, created_at_ms: int, sender: str | None) -> Transaction[Submitted]:
    """Store a request to cancel the run; if there is one already, return that.

    Raises:
        RunNotFound: there is no such run.
        RunNotActive: the run has ended.
    """
    run = yield from _locked_run(run_id)
    if run.status.is_final:
        raise _not_active(run_id, f"has ended ({run.status})")
    for row in (yield Statement("select_cancel", {"run_id": run_id})):
        return Submitted(run_id, row["id"], run.is_leased)
    request_id = yield from _insert(run_id, RequestKind.CANCEL, created_at_ms, sender=sender)
    return Submitted(run_id, request_id, run.is_leased)


def submit_decision(run_id: str, node_id: str, iteration: int | None, decision: Decision) -> Transaction[Submitted]:
    """Store a decision on a pending approval; the same decision again is accepted and changes nothing.

    Raises:
        RunNotFound, NodeNotFound: there is no such run or node.
        ApprovalAmbiguous: several of the node's approvals are pending and no iteration is named.
        ApprovalAlreadyDecided: a different decision was made before.
        RunNotActive: the run has ended, or is being cancelled.
        ApprovalNotPending: the node is not waiting for a decision.
    """
    run = yield from _locked_run(run_id)
    waits, left = yield from _node(run_id, node_id, WaitKind.APPROVAL, RequestKind.DECIDE)
    pending = _pending(waits, left)
    if iteration is None and len(pending) > 1:
        raise ApprovalAmbiguous(
            f"Node {node_id!r} has {len(pending)} pending approvals.",
            remedy="Name the iteration.",
            details={"pending": [{"nodeId": node_id, "iteration": wait.key[1]} for wait in pending]},
        )
    wait = _wait_of_request(iteration, waits, pending, left)
    if wait is not None and wait.key[1] in left:
        request = left[wait.key[1]]
        _check_same(wait, decision, decision_of(request))
        return Submitted(run_id, request.id, run.is_leased)
    if wait is not None and wait.status is WaitStatus.ENDED:
        _check_same(wait, decision, ApprovalRecord.of(wait).decision)
        return Submitted(run_id, None, run.is_leased)
    yield from _check_active(run_id, run.status)
    if wait is None or wait.status is not WaitStatus.OPEN:
        raise ApprovalNotPending(
            f"Node {node_id!r} of run {run_id!r} is not waiting for a decision.",
            remedy="`smithers inspect` and GET /approvals list the nodes that are.",
        )
    payload = decision.model_dump_json()
    request_id = yield from _insert(
        run_id, RequestKind.DECIDE, decision.decided_at_ms, wait=wait, sender=decision.decided_by, payload=payload
    )
    return Submitted(run_id, request_id, run.is_leased)


def submit_fire(
    run_id: str, node_id: str, iteration: int | None, created_at_ms: int, sender: str | None
) -> Transaction[Submitted]:
    """Store a request to fire a timer before its due time; for one that has fired already, change nothing.

    Raises:
        RunNotFound, NodeNotFound: there is no such run or node.
        InvalidRequest: several of the node's timers are pending and no iteration is named.
        RunNotActive: the run has ended, or is being cancelled.
        TimerNotPending: the node is not a timer that is waiting.
    """
    run = yield from _locked_run(run_id)
    waits, left = yield from _node(run_id, node_id, WaitKind.TIMER, RequestKind.FIRE)
    pending = _pending(waits, left)
    if iteration is None and len(pending) > 1:
        raise InvalidRequest(f"Node {node_id!r} has {len(pending)} pending timers.", remedy="Name the iteration.")
    wait = _wait_of_request(iteration, waits, pending, left)
    if wait is not None and wait.key[1] in left:
        return Submitted(run_id, left[wait.key[1]].id, run.is_leased)
    if wait is not None and wait.status is WaitStatus.ENDED:
        return Submitted(run_id, None, run.is_leased)
    yield from _check_active(run_id, run.status)
    if wait is None or wait.status is not WaitStatus.OPEN:
        raise TimerNotPending(
            f"Node {node_id!r} of run {run_id!r} is not a timer that is waiting.",
            remedy=f"`smithers inspect {run_id}` lists the timers that are.",
        )
    request_id = yield from _insert(run_id, RequestKind.FIRE, created_at_ms, wait=wait, sender=sender)
    return Submitted(run_id, request_id, run.is_leased)


def submit_signal(run_id: str, signal: SignalReceived) -> Transaction[Submitted]:
    """Leave a signal, whether or not a node waits for it.

    Raises:
        RunNotFound: there is no such run.
        RunNotActive: the run has ended, or a cancel is on its way.
        TooManySignals: the run keeps as many signals as it may.
    """
    run = yield from _locked_run(run_id)
    yield from _check_active(run_id, run.status)
    left = (yield Statement("count_signal_requests", {"run_id": run_id}))[0]["count"]
    if run.signals_kept + left >= SIGNALS_KEPT_MAX:
        raise too_many_signals(run_id)
    payload = pydantic_core.to_json([signal.name, signal.correlation_id, signal.data]).decode()
    request_id = yield from _insert(
        run_id, RequestKind.SIGNAL, signal.sent_at_ms, sender=signal.sent_by, payload=payload
    )
    return Submitted(run_id, request_id, run.is_leased)


def too_many_signals(run_id: str) -> TooManySignals:
    """Return the error for a signal that the run has no room for."""
    return TooManySignals(
        f"Run {run_id!r} keeps {SIGNALS_KEPT_MAX} signals that no node has taken.",
        remedy="Check the name and the correlation id, or wait until the run has taken some.",
    )


def next_request_rows(run_id: str) -> Transaction[list[RequestRow]]:
    """Read what was accepted for a run and not applied yet, oldest first: as many as one step may apply."""
    rows = yield Statement("select_requests_page", {"run_id": run_id, "limit": REQUESTS_PER_STEP_MAX})
    return [_request(row) for row in rows]


def request_rows(run_id: str) -> Transaction[list[RequestRow]]:
    """Return the requests that were accepted for a run and are not applied yet, the oldest first."""
    rows = yield Statement("select_requests", {"run_id": run_id})
    return [_request(row) for row in rows]


def is_request_left(run_id: str, request_id: int) -> Transaction[bool]:
    """Return whether a request has not been applied yet."""
    return bool((yield Statement("is_request_left", {"run_id": run_id, "id": request_id})))


def decision_of(request: RequestRow) -> Decision:
    """Return the decision that a request contains."""
    assert request.payload is not None, f"request {request.id} brings no decision"
    return Decision.model_validate_json(request.payload)


def signal_of(request: RequestRow) -> SignalReceived:
    """Read the signal that a request brings."""
    assert request.payload is not None, f"request {request.id} brings no signal"
    name, correlation_id, data = pydantic_core.from_json(request.payload)
    return SignalReceived(name, data, request.created_at_ms, correlation_id, request.sender)


def _request(row: Row) -> RequestRow:
    return RequestRow(**{**row, "kind": RequestKind(row["kind"])})


@dataclass(frozen=True, slots=True)
class _LockedRun:
    status: RunStatus
    is_leased: bool
    signals_kept: int


def _locked_run(run_id: str) -> Transaction[_LockedRun]:
    rows = yield Statement("lock_run", {"run_id": run_id})
    if not rows:
        raise no_such_run(run_id)
    row = rows[0]
    return _LockedRun(RunStatus(row["status"]), bool(row["is_leased"]), row["signals_kept"])


def _node(
    run_id: str, node_id: str, kind: WaitKind, ended_by: RequestKind
) -> Transaction[tuple[list[WaitRecord], _Left]]:
    """Return a node's waits of a kind, and the requests that are left to end one of them."""
    waits = yield from waits_of_node(run_id, node_id, kind)
    if not waits and not (yield Statement("is_node", {"run_id": run_id, "node_id": node_id})):
        raise NodeNotFound(
            f"Run {run_id!r} has no node {node_id!r}.", remedy="`smithers inspect` and GET /nodes list its nodes."
        )
    rows = yield Statement("select_requests_of_node", {"run_id": run_id, "node_id": node_id})
    return waits, {request.iteration: request for request in map(_request, rows) if request.kind is ended_by}


def _pending(waits: list[WaitRecord], left: _Left) -> list[WaitRecord]:
    return [wait for wait in waits if wait.status is WaitStatus.OPEN and wait.key[1] not in left]


def _wait_of_request(
    iteration: int | None, waits: list[WaitRecord], pending: list[WaitRecord], left: _Left
) -> WaitRecord | None:
    """Return the wait that a request is for: of the iteration it names, else the pending one, else the last to end."""
    if iteration is not None:
        return next((wait for wait in waits if wait.key[1] == iteration), None)
    return pending[0] if pending else max(waits, key=lambda wait: _ended_at(wait, left), default=None)


def _ended_at(wait: WaitRecord, left: _Left) -> tuple[int, int]:
    """Return a sort key by the time at which a wait was ended; waits that were not ended come first."""
    iteration = wait.key[1]
    if iteration in left:
        return left[iteration].created_at_ms, iteration
    decided_at_ms = getattr(wait.answer, "decided_at_ms", wait.ended_at_ms)
    return (decided_at_ms if wait.status is WaitStatus.ENDED and decided_at_ms is not None else -1), iteration


def _insert(
    run_id: str,
    kind: RequestKind,
    created_at_ms: int,
    *,
    wait: WaitRecord | None = None,
    sender: str | None = None,
    payload: str | None = None,
) -> Transaction[int]:
    node_id, iteration = (None, None) if wait is None else wait.key
    rows = yield Statement(
        "insert_request",
        {
            "run_id": run_id,
            "kind": kind,
            "node_id": node_id,
            "iteration": iteration,
            "sender": sender,
            "payload": payload,
            "created_at_ms": created_at_ms,
        },
    )
    request_id: int = rows[0]["id"]
    return request_id


def _check_same(wait: WaitRecord, decision: Decision, earlier: Decision | None) -> None:
    """Check that a decision repeats the earlier one: verb, person and value are compared, the note is not."""
    assert earlier is not None, f"{wait.key} was ended without a decision"
    if _compared(decision) != _compared(earlier):
        _refuse_other(wait, earlier)


def _compared(decision: Decision) -> tuple[bool, str | None, str]:
    """Return what is compared of a decision; its value as JSON, in which key order does not count and true is not 1."""
    return decision.approved, decision.decided_by, json.dumps(decision.decision, sort_keys=True)


def _refuse_other(wait: WaitRecord, earlier: Decision) -> NoReturn:
    node_id, iteration = wait.key
    verb = "approved" if earlier.approved else "denied"
    by = f" by {earlier.decided_by}" if earlier.decided_by else ""
    raise ApprovalAlreadyDecided(
        f"Node {node_id!r} was already {verb}{by}.",
        remedy="The first decision stands.",
        details={
            "nodeId": node_id,
            "iteration": iteration,
            "approved": earlier.approved,
            "decidedBy": earlier.decided_by,
            "decidedAtMs": earlier.decided_at_ms,
            "note": earlier.note,
            "decision": earlier.decision,
        },
    )


def _check_active(run_id: str, status: RunStatus) -> Transaction[None]:
    if status.is_final:
        raise _not_active(run_id, f"has ended ({status})")
    if (yield Statement("select_cancel", {"run_id": run_id})):
        raise _not_active(run_id, "is being cancelled")


def _not_active(run_id: str, why: str) -> RunNotActive:
    return RunNotActive(
        f"Run {run_id!r} {why}.", remedy="Start a new run; with --from it reuses the results of this one."
    )

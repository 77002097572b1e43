"""Requests from outside: decisions and cancels, checked and left in the inbox in one transaction.

The transaction's first statement locks the run's row, so that the run cannot end between the check and the insert.
What is accepted stays in the inbox until the driver has applied it.
"""

import json

from smithersd.core.log.states import ApprovalStatus, RunStatus
from smithersd.errors import ApprovalAlreadyDecided, ApprovalAmbiguous, ApprovalNotPending, NodeNotFound, RunNotActive
from smithersd.store.reading import approval_rows_of_node, inbox_rows, no_such_run
from smithersd.store.records import ApprovalRow, Decision, InboxKind, InboxRow, Submitted
from smithersd.store.statements import Statement, Transaction

_DECISIONS = (InboxKind.APPROVE, InboxKind.DENY)


def submit_cancel(run_id: str, created_at_ms: int, decided_by: str | None) -> Transaction[Submitted]:
    """Leave a cancel request; a second one is the first.

    Raises:
        RunNotFound: there is no such run.
        RunNotActive: it has ended.
    """
    status, is_leased = yield from _locked_run(run_id)
    if status.is_final:
        raise _not_active(run_id, f"has ended ({status})")
    for row in (yield from inbox_rows(run_id)):
        if row.kind is InboxKind.CANCEL:
            return Submitted(run_id, row.id, is_leased)
    inbox_id = yield from _insert(run_id, InboxKind.CANCEL, created_at_ms, decided_by=decided_by)
    return Submitted(run_id, inbox_id, is_leased)


def submit_decision(decision: Decision) -> Transaction[Submitted]:
    """Leave a decision for a pending approval; the same decision again is accepted and changes nothing.

    Raises:
        RunNotFound, NodeNotFound: there is no such run or node.
        ApprovalAmbiguous: several of the node's approvals are pending and no iteration is named.
        ApprovalAlreadyDecided: somebody decided otherwise.
        RunNotActive: the run has ended, or a cancel is on its way.
        ApprovalNotPending: the node waits for no decision.
    """
    run_id, node_id = decision.run_id, decision.node_id
    status, is_leased = yield from _locked_run(run_id)
    approvals = yield from approval_rows_of_node(run_id, node_id)
    if not approvals and not (yield Statement("is_node", {"run_id": run_id, "node_id": node_id})):
        raise NodeNotFound(
            f"Run {run_id!r} has no node {node_id!r}.", remedy="`smithers inspect` lists its nodes, GET /nodes too."
        )
    inbox = yield from inbox_rows(run_id)
    left = {row.iteration: row for row in inbox if row.kind in _DECISIONS and row.node_id == node_id}
    approval = _meant(decision, approvals, left)
    if approval is not None and approval.iteration in left:
        _check_same(decision, approval, left[approval.iteration])
        return Submitted(run_id, left[approval.iteration].id, is_leased)
    if approval is not None and approval.status in {ApprovalStatus.GRANTED, ApprovalStatus.DENIED}:
        _check_same(decision, approval, approval)
        return Submitted(run_id, None, is_leased)
    _check_active(run_id, status, inbox)
    if approval is None or approval.status is not ApprovalStatus.REQUESTED:
        raise ApprovalNotPending(
            f"Node {node_id!r} of run {run_id!r} waits for no decision.",
            remedy="`smithers inspect` and GET /approvals tell what does.",
        )
    inbox_id = yield from _insert(
        run_id,
        InboxKind.APPROVE if decision.is_approval else InboxKind.DENY,
        decision.created_at_ms,
        approval=approval,
        note=decision.note,
        decided_by=decision.decided_by,
        decision=decision.decision,
    )
    return Submitted(run_id, inbox_id, is_leased)


def _locked_run(run_id: str) -> Transaction[tuple[RunStatus, bool]]:
    rows = yield Statement("lock_run", {"run_id": run_id})
    if not rows:
        raise no_such_run(run_id)
    return RunStatus(rows[0]["status"]), bool(rows[0]["is_leased"])


def _insert(
    run_id: str,
    kind: InboxKind,
    created_at_ms: int,
    *,
    approval: ApprovalRow | None = None,
    note: str | None = None,
    decided_by: str | None = None,
    decision: str | None = None,
) -> Transaction[int]:
    node_id, iteration = (None, None) if approval is None else (approval.node_id, approval.iteration)
    rows = yield Statement(
        "insert_inbox",
        {
            "run_id": run_id,
            "kind": kind,
            "node_id": node_id,
            "iteration": iteration,
            "note": note,
            "decided_by": decided_by,
            "decision": decision,
            "created_at_ms": created_at_ms,
        },
    )
    inbox_id: int = rows[0]["id"]
    return inbox_id


def _meant(decision: Decision, approvals: list[ApprovalRow], left: dict[int | None, InboxRow]) -> ApprovalRow | None:
    """Find what a decision is about: the iteration that it names, the only pending one, or the latest decided."""
    if decision.iteration is not None:
        return next((approval for approval in approvals if approval.iteration == decision.iteration), None)
    pending = [
        approval
        for approval in approvals
        if approval.status is ApprovalStatus.REQUESTED and approval.iteration not in left
    ]
    if len(pending) > 1:
        raise ApprovalAmbiguous(
            f"Node {decision.node_id!r} has {len(pending)} pending approvals.",
            remedy="Name the iteration.",
            details={
                "pending": [{"nodeId": approval.node_id, "iteration": approval.iteration} for approval in pending]
            },
        )
    return pending[0] if pending else max(approvals, key=lambda approval: _decided_at(approval, left), default=None)


def _decided_at(approval: ApprovalRow, left: dict[int | None, InboxRow]) -> tuple[int, int]:
    """Order approvals by when they were decided; those that were not come first."""
    at_ms = left[approval.iteration].created_at_ms if approval.iteration in left else approval.decided_at_ms
    return (-1 if at_ms is None else at_ms), approval.iteration


def _check_same(decision: Decision, approval: ApprovalRow, stands: ApprovalRow | InboxRow) -> None:
    """The same verb, person and decision again is no conflict; the note is not compared."""
    was_approved = _is_approval(stands)
    is_same = (was_approved, stands.decided_by, _canonical(stands.decision)) == (
        decision.is_approval,
        decision.decided_by,
        _canonical(decision.decision),
    )
    if is_same:
        return
    verb = "approved" if was_approved else "denied"
    by = f" by {stands.decided_by}" if stands.decided_by else ""
    raise ApprovalAlreadyDecided(
        f"Node {approval.node_id!r} was already {verb}{by}.",
        remedy="The first decision stands.",
        details={
            "nodeId": approval.node_id,
            "iteration": approval.iteration,
            "approved": was_approved,
            "decidedBy": stands.decided_by,
            "decidedAtMs": stands.created_at_ms if isinstance(stands, InboxRow) else stands.decided_at_ms,
            "note": stands.note,
            "decision": _json(stands.decision),
        },
    )


def _is_approval(stands: ApprovalRow | InboxRow) -> bool:
    return stands.kind is InboxKind.APPROVE if isinstance(stands, InboxRow) else stands.status is ApprovalStatus.GRANTED


def _json(text: str | None) -> object:
    return None if text is None else json.loads(text)


def _canonical(text: str | None) -> str:
    """The same JSON in one form: the order of keys and the white space do not count, true is not 1."""
    return json.dumps(_json(text), sort_keys=True)


def _check_active(run_id: str, status: RunStatus, inbox: list[InboxRow]) -> None:
    if status.is_final:
        raise _not_active(run_id, f"has ended ({status})")
    if any(row.kind is InboxKind.CANCEL for row in inbox):
        raise _not_active(run_id, "is being cancelled")


def _not_active(run_id: str, why: str) -> RunNotActive:
    return RunNotActive(
        f"Run {run_id!r} {why}.", remedy="Start a new run, or one that takes over what is done: --from."
    )

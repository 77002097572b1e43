"""Commits as an engine would make them, and decisions as people would."""

import json
from typing import Any

from smithersd.core.log.states import ApprovalStatus, RunStatus
from smithersd.elements.kinds import OnDeny
from smithersd.store.records import ApprovalRow, Batch, Commit, Decision, EventRow, NewRun, OutputRow

NOW_MS = 1_700_000_000_000
OWNER = json.dumps({"host": "here", "pid": 42})
OTHER = json.dumps({"host": "there", "pid": 7})


def event(seq: int, type: str = "NodeOutput", node_id: str | None = None, payload: str = "{}") -> EventRow:
    return EventRow(seq, NOW_MS + seq, type, node_id, payload)


def new_run(*, created_at_ms: int = NOW_MS, input: str = "null", owner: str = OWNER, **more: Any) -> NewRun:
    values = {"workflow_name": "demo", "workflow_path": None, "workflow_hash": None, "from_run_id": None} | more
    return NewRun(input=input, created_at_ms=created_at_ms, owner=owner, **values)


def begin(run_id: str = "run-1", *more: EventRow, approvals: tuple[ApprovalRow, ...] = (), **new: Any) -> Commit:
    """The first commit of a run: RunStarted has seq 0."""
    events = (event(0, "RunStarted"), *more)
    return Commit(run_id, 1, Batch(RunStatus.RUNNING, events, approvals=approvals), new_run=new_run(**new))


def step(run_id: str, *events: EventRow, fence: int = 1, status: RunStatus = RunStatus.RUNNING, **batch: Any) -> Commit:
    return Commit(run_id, fence, Batch(status, events, **batch))


def end(seq: int, status: RunStatus = RunStatus.FINISHED) -> Batch:
    """What ends a run."""
    types = {RunStatus.FINISHED: "RunFinished", RunStatus.CANCELLED: "RunCancelled", RunStatus.FAILED: "RunFailed"}
    return Batch(status, (event(seq, types[status]),), finished_at_ms=NOW_MS + seq)


def pending(seq: int, node_id: str) -> EventRow:
    return event(seq, "NodePending", node_id)


def approval(
    node_id: str = "approval", iteration: int = 0, status: ApprovalStatus = ApprovalStatus.REQUESTED, **more: Any
) -> ApprovalRow:
    values: dict[str, Any] = {"summary": None, "metadata": "null", "show": None, "on_deny": OnDeny.FAIL} | more
    return ApprovalRow(node_id, iteration, status, "Ship?", requested_at_ms=NOW_MS + iteration, **values)


def decided(
    node_id: str = "approval", iteration: int = 0, *, at_ms: int = NOW_MS, by: str | None = "ann"
) -> ApprovalRow:
    return approval(node_id, iteration, ApprovalStatus.GRANTED, decided_by=by, decided_at_ms=at_ms)


def output(node_id: str, text: str = "1", *, iteration: int = 0, at_ms: int = NOW_MS) -> OutputRow:
    return OutputRow(node_id, iteration, text, at_ms)


def decision(
    node_id: str = "approval",
    *,
    run_id: str = "run-1",
    is_approval: bool = True,
    iteration: int | None = None,
    note: str | None = None,
    by: str | None = "ann",
    decision: str | None = None,
    at_ms: int = NOW_MS,
) -> Decision:
    return Decision(run_id, node_id, is_approval, iteration, note, by, decision, at_ms)

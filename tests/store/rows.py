"""Commits as an engine would make them, and decisions as people would."""

import json
from typing import Any

from smithersd.core.kinds.approval import decision_event
from smithersd.core.log.events import ApprovalRequested, TimerCreated, TimerFired
from smithersd.core.log.records import WaitRecord
from smithersd.core.log.states import RunStatus, WaitKind, WaitStatus
from smithersd.elements import Decision
from smithersd.elements.kinds import OnDeny, TimerType
from smithersd.store.records import Batch, Commit, EventRow, NewRun, OutputRow

NOW_MS = 1_700_000_000_000
OWNER = json.dumps({"host": "here", "pid": 42})
OTHER = json.dumps({"host": "there", "pid": 7})


def event(seq: int, type: str = "NodeOutput", node_id: str | None = None, payload: str = "{}") -> EventRow:
    return EventRow(seq, NOW_MS + seq, type, node_id, payload)


def new_run(*, created_at_ms: int = NOW_MS, input: str = "null", owner: str = OWNER, **more: Any) -> NewRun:
    values = {"workflow_name": "demo", "workflow_path": None, "workflow_hash": None, "from_run_id": None} | more
    return NewRun(input=input, created_at_ms=created_at_ms, owner=owner, **values)


def begin(run_id: str = "run-1", *more: EventRow, waits: tuple[WaitRecord, ...] = (), **new: Any) -> Commit:
    """The first commit of a run: RunStarted has seq 0."""
    events = (event(0, "RunStarted"), *more)
    return Commit(run_id, 1, Batch(RunStatus.RUNNING, events, waits=waits), new_run=new_run(**new))


def step(run_id: str, *events: EventRow, fence: int = 1, status: RunStatus = RunStatus.RUNNING, **batch: Any) -> Commit:
    return Commit(run_id, fence, Batch(status, events, **batch))


def end(seq: int, status: RunStatus = RunStatus.FINISHED) -> Batch:
    """What ends a run."""
    types = {RunStatus.FINISHED: "RunFinished", RunStatus.CANCELLED: "RunCancelled", RunStatus.FAILED: "RunFailed"}
    return Batch(status, (event(seq, types[status]),), finished_at_ms=NOW_MS + seq)


def pending(seq: int, node_id: str) -> EventRow:
    return event(seq, "NodePending", node_id)


def approval(
    node_id: str = "approval",
    iteration: int = 0,
    status: WaitStatus = WaitStatus.OPEN,
    *,
    decision: Decision | None = None,
    show: str | None = None,
) -> WaitRecord:
    """An approval that waits, was closed, or was decided."""
    key = (node_id, iteration)
    at_ms = NOW_MS + iteration
    asked = ApprovalRequested(*key, "Ship?", None, None, show, OnDeny.FAIL)
    answer = None if decision is None else decision_event(key, decision)
    ended_at_ms = None if status is WaitStatus.OPEN else at_ms
    return WaitRecord(key, WaitKind.APPROVAL, asked, at_ms, None, status, answer, ended_at_ms)


def decided(
    node_id: str = "approval", iteration: int = 0, *, at_ms: int = NOW_MS, by: str | None = "ann"
) -> WaitRecord:
    decision = Decision(approved=True, decided_by=by, decided_at_ms=at_ms)
    return approval(node_id, iteration, WaitStatus.ENDED, decision=decision)


def timer(node_id: str = "timer", iteration: int = 0, status: WaitStatus = WaitStatus.OPEN) -> WaitRecord:
    """A timer that waits, was closed, or has fired."""
    key = (node_id, iteration)
    created = TimerCreated(*key, NOW_MS + 60_000, TimerType.DURATION)
    answer = TimerFired(*key, 0) if status is WaitStatus.ENDED else None
    ended_at_ms = None if status is WaitStatus.OPEN else NOW_MS
    return WaitRecord(key, WaitKind.TIMER, created, NOW_MS, created.fires_at_ms, status, answer, ended_at_ms)


def output(node_id: str, text: str = "1", *, iteration: int = 0, at_ms: int = NOW_MS) -> OutputRow:
    return OutputRow(node_id, iteration, text, at_ms)


Decided = tuple[str, str, int | None, Decision]
"""What `Store.submit_decision` is given."""


def decision(
    node_id: str = "approval",
    *,
    run_id: str = "run-1",
    is_approval: bool = True,
    iteration: int | None = None,
    note: str | None = None,
    by: str | None = "ann",
    decision: Any = None,
    at_ms: int = NOW_MS,
) -> Decided:
    """What somebody decides about a node."""
    made = Decision(approved=is_approval, note=note, decided_by=by, decided_at_ms=at_ms, decision=decision)
    return run_id, node_id, iteration, made

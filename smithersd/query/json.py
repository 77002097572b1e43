"""How a run's state is written as JSON: the same in the serve app's answers and in the command line's --json."""

from typing import Any

import pydantic_core

from smithersd.core.log.fold import RunState
from smithersd.core.log.records import AttemptRecord, NodeRecord
from smithersd.errors import ErrorInfo
from smithersd.query.approvals import PendingApproval
from smithersd.query.run_info import LeaseHolder

Json = dict[str, Any]


def to_json(value: Any) -> bytes:
    """Write a value as JSON that every client can read: no NaN, no infinity."""
    return pydantic_core.to_json(value, inf_nan_mode="null")


def run_json(run: RunState) -> Json:
    """Tell how a run stands and how many node iterations are in which state."""
    return {
        "runId": run.run_id,
        "workflowName": run.workflow_name,
        "status": run.status,
        "startedAtMs": run.started_at_ms,
        "finishedAtMs": run.finished_at_ms,
        "summary": run.summary,
    }


def node_json(node: NodeRecord) -> Json:
    """Tell how a node iteration stands."""
    return {
        "nodeId": node.node_id,
        "iteration": node.iteration,
        "kind": node.kind,
        "label": node.label,
        "state": node.state,
        "attempt": node.attempt or None,
        "startedAtMs": node.started_at_ms,
        "finishedAtMs": node.finished_at_ms,
        "error": error_json(node.error),
    }


def attempt_json(attempt: AttemptRecord) -> Json:
    """Tell how an attempt stands or ended."""
    return {
        "attempt": attempt.attempt,
        "state": attempt.state,
        "startedAtMs": attempt.started_at_ms,
        "finishedAtMs": attempt.finished_at_ms,
        "error": error_json(attempt.error),
    }


def error_json(error: ErrorInfo | None) -> Json | None:
    """Tell an error."""
    return None if error is None else {"code": error.code, "name": error.name, "message": error.message}


def driver_json(driver: LeaseHolder | None) -> Json | None:
    """Name who drives a run, here or elsewhere."""
    return None if driver is None else {"host": driver.host, "pid": driver.pid, "isLocal": driver.is_local}


def approval_json(approval: PendingApproval) -> Json:
    """Tell what an approval asks, with all that is needed to decide."""
    return {
        "nodeId": approval.node_id,
        "iteration": approval.iteration,
        "title": approval.title,
        "summary": approval.summary,
        "shown": approval.shown,
        "shownTruncated": approval.is_cut,
        "metadata": approval.metadata,
        "onDeny": approval.on_deny,
        "requestedAtMs": approval.requested_at_ms,
    }

"""The JSON of a run's state, the same in responses of the server and in --json of the command line."""

from typing import Any

import pydantic_core

from smithersd.core.log.fold import RunState
from smithersd.core.log.records import AttemptRecord, NodeRecord
from smithersd.errors import ErrorInfo
from smithersd.query.approvals import PendingApproval
from smithersd.query.run_info import LeaseHolder
from smithersd.query.waits import PendingWait

Json = dict[str, Any]


def to_json(value: Any) -> bytes:
    """Return a value as JSON that every client can read: NaN and infinities become null."""
    return pydantic_core.to_json(value, inf_nan_mode="null")


def run_json(run: RunState) -> Json:
    """Return a run's status, and the number of node iterations in each state, as JSON."""
    timeout = {} if run.times_out_at_ms is None else {"timesOutAtMs": run.times_out_at_ms}
    return {
        "runId": run.run_id,
        "workflowName": run.workflow_name,
        "status": run.status,
        "startedAtMs": run.started_at_ms,
        "finishedAtMs": run.finished_at_ms,
        **timeout,
        "summary": run.summary,
    }


def node_json(node: NodeRecord) -> Json:
    """Return a node iteration as JSON."""
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
    """Return an attempt as JSON."""
    return {
        "attempt": attempt.attempt,
        "state": attempt.state,
        "startedAtMs": attempt.started_at_ms,
        "finishedAtMs": attempt.finished_at_ms,
        "error": error_json(attempt.error),
    }


def error_json(error: ErrorInfo | None) -> Json | None:
    """Return an error as JSON."""
    return None if error is None else {"code": error.code, "name": error.name, "message": error.message}


def driver_json(driver: LeaseHolder | None) -> Json | None:
    """Return the process that drives a run as JSON."""
    return None if driver is None else {"host": driver.host, "pid": driver.pid, "isLocal": driver.is_local}


def approval_json(approval: PendingApproval) -> Json:
    """Return a pending approval as JSON, with all that is needed to decide."""
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


def wait_json(wait: PendingWait) -> Json:
    """Return the wait of a node iteration as JSON, with the routes that end it."""
    return {
        "kind": wait.kind,
        "nodeId": wait.node_id,
        "iteration": wait.iteration,
        "sinceMs": wait.since_ms,
        "dueAtMs": wait.due_at_ms,
        "title": wait.title,
        "name": wait.name,
        "correlationId": wait.correlation_id,
        "endedBy": wait.routes,
    }

"""How a run's state is written as JSON: the same in the serve app's answers and in the command line's --json."""

from collections.abc import Sequence
from typing import Any

import pydantic_core

from smithersd.core.log.fold import ApprovalRecord, AttemptRecord, NodeKey, NodeRecord, RunState
from smithersd.errors import ErrorInfo
from smithersd.query.questions import Question

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


def question_json(question: Question) -> Json:
    """Tell what a gate asks, with all that is needed to decide."""
    return {
        "nodeId": question.node_id,
        "iteration": question.iteration,
        "title": question.title,
        "summary": question.summary,
        "shown": question.shown,
        "shownTruncated": question.is_cut,
        "metadata": question.metadata,
        "onDeny": question.on_deny,
        "requestedAtMs": question.requested_at_ms,
    }


def shown_key(run: RunState, gate: ApprovalRecord, iteration: int, iterations: Sequence[int]) -> NodeKey | None:
    """Return whose output a gate shows: the same iteration's, else the latest that is there.

    `iterations` are those of the node that the gate shows, ascending.
    """
    if gate.show is None:
        return None
    known = [one for one in iterations if run.nodes[gate.show, one].has_output]
    if not known:
        return None
    return (gate.show, iteration if iteration in known else known[-1])

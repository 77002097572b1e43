"""Gates: what a node asks of a person, and what their answer leads to."""

from dataclasses import dataclass
from typing import Any

import pydantic_core

from smithersd.core.flow.calls import call_text, only_source
from smithersd.core.log import events
from smithersd.core.log.events import Event, JsonValue
from smithersd.core.log.fold import ApprovalRecord, NodeKey, NodeRecord
from smithersd.elements import Approval, Decision, Node, NodeKind, OnDeny, Shell, Task
from smithersd.errors import ApprovalDenied, ErrorInfo


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's decision about a gate."""

    key: NodeKey
    is_granted: bool
    note: str | None
    decided_by: str | None
    decision: JsonValue
    decided_at_ms: int


def is_approval(node: Node[Any]) -> bool:
    """Whether a node asks a person before it goes on."""
    return isinstance(node, Approval) or (isinstance(node, (Task, Shell)) and node.attempts.needs_approval)


def approval_request(node: Node[Any]) -> events.ApprovalRequested:
    """Return what a node asks: an Approval its own question, a task with needs_approval whether to do what it does."""
    if isinstance(node, Approval):
        return events.ApprovalRequested(node.id, 0, node.title, node.summary, node.metadata, node.show, node.on_deny)
    assert isinstance(node, (Task, Shell)), f"{node!r} is not an approval"
    title = f"Run {node.label or node.id}?"
    return events.ApprovalRequested(node.id, 0, title, call_text(node), None, only_source(node), OnDeny.FAIL)


def is_edited(gate: ApprovalRecord, question: events.ApprovalRequested) -> bool:
    """Whether a question is another than the one that the gate has asked."""
    asked = (gate.title, gate.summary, gate.show, gate.on_deny, pydantic_core.to_json(gate.metadata))
    metadata = pydantic_core.to_json(question.metadata)  # in Python's eyes True is 1
    return asked != (question.title, question.summary, question.show, question.on_deny, metadata)


def answer_event(answer: Answer) -> Event:
    """Return the event that records an answer."""
    granted_or_denied = events.ApprovalGranted if answer.is_granted else events.ApprovalDenied
    node_id, iteration = answer.key
    return granted_or_denied(node_id, iteration, answer.note, answer.decided_by, answer.decision, answer.decided_at_ms)


def decision_output(answer: Answer) -> str:
    """Return the output of an Approval, as JSON."""
    decision = Decision(
        approved=answer.is_granted,
        note=answer.note,
        decided_by=answer.decided_by,
        decided_at_ms=answer.decided_at_ms,
        decision=answer.decision,
    )
    return pydantic_core.to_json(decision).decode()


def denial(node: NodeRecord, answer: Answer) -> ErrorInfo:
    """Return the error of a node whose gate was denied for good."""
    by = f" by {answer.decided_by}" if answer.decided_by else ""
    note = f": {answer.note}" if answer.note else ""
    return ErrorInfo.of(ApprovalDenied(f"{node.kind} {node.node_id!r} was denied{by}{note}."))


def leads_to_output(node: NodeRecord, answer: Answer) -> bool:
    """Whether the answer itself is the node's output: an Approval that was granted, or denied with "continue"."""
    if node.kind is not NodeKind.APPROVAL:
        return False
    return answer.is_granted or (node.gate is not None and node.gate.on_deny is OnDeny.CONTINUE)


def leads_to_skip(node: NodeRecord, answer: Answer) -> bool:
    """Whether the answer skips the node: an Approval denied with "skip"."""
    return not answer.is_granted and node.gate is not None and node.gate.on_deny is OnDeny.SKIP

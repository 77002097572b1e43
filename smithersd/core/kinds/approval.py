"""The kind of `Approval`, and all that an approval is to a node: what it asks of a person, and what follows from it."""

from dataclasses import dataclass

import pydantic_core

from smithersd.core.kinds.kind import FlowActions
from smithersd.core.kinds.node_kind import NodeKind, Wait
from smithersd.core.log import events
from smithersd.core.log.events import Event, JsonValue
from smithersd.core.log.records import ApprovalRecord, NodeKey, NodeRecord
from smithersd.core.tree.facts import Tree
from smithersd.elements import Approval, Decision, OnDeny
from smithersd.errors import ApprovalDenied, ErrorInfo


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's decision about an approval."""

    key: NodeKey
    is_granted: bool
    note: str | None
    decided_by: str | None
    decision: JsonValue
    decided_at_ms: int


class ApprovalKind(NodeKind[Approval]):
    """A question to a person; the node's output is what they decided."""

    name = Approval.kind
    shows_output = False

    def facts(self, element: Approval) -> Tree:
        """Return what the tree tells of every node, what it asks, and what a denial leads to."""
        return super().facts(element) | {"title": element.title, "onDeny": element.on_deny}

    def wait(self, element: Approval, key: NodeKey, flow: FlowActions) -> Wait:  # noqa: ARG002
        """Ask."""
        return asks(_question(element, key))

    def go_on_waiting(self, element: Approval, node: NodeRecord, flow: FlowActions) -> None:
        """Ask again if the question was edited."""
        ask_again_if_edited(node, _question(element, node.key), flow)

    def decided(self, node: NodeRecord, flow: FlowActions) -> None:
        """Finish with the decision; a denial may also skip or fail the node."""
        approval = node.approval
        assert approval is not None, f"{node.node_id!r} was decided before it asked"
        if approval.is_granted or approval.on_deny is OnDeny.CONTINUE:
            flow.finish(node, _decision_output(approval))
        elif approval.on_deny is OnDeny.SKIP:
            flow.skip(node)
        else:
            flow.fail(node, denial(node))


def _question(element: Approval, key: NodeKey) -> events.ApprovalRequested:
    return events.ApprovalRequested(
        *key, element.title, element.summary, element.metadata, element.show, element.on_deny
    )


def _decision_output(approval: ApprovalRecord) -> str:
    assert approval.is_granted is not None
    assert approval.decided_at_ms is not None
    decision = Decision(
        approved=approval.is_granted,
        note=approval.note,
        decided_by=approval.decided_by,
        decided_at_ms=approval.decided_at_ms,
        decision=approval.decision,
    )
    return pydantic_core.to_json(decision).decode()


def asks(question: events.ApprovalRequested) -> Wait:
    """Return the wait for a person's decision."""
    return Wait(question, events.NodeWaitingApproval(question.node_id, question.iteration))


def ask_again_if_edited(node: NodeRecord, question: events.ApprovalRequested, flow: FlowActions) -> None:
    """Ask a question again, if it is another than the one that the node has asked."""
    if node.approval is not None and _is_edited(node.approval, question):
        flow.ask_again(node, question)


def _is_edited(approval: ApprovalRecord, question: events.ApprovalRequested) -> bool:
    asked = (
        approval.title,
        approval.summary,
        approval.show,
        approval.on_deny,
        pydantic_core.to_json(approval.metadata),
    )
    metadata = pydantic_core.to_json(question.metadata)  # in Python's eyes True is 1
    return asked != (question.title, question.summary, question.show, question.on_deny, metadata)


def answer_event(answer: Answer) -> Event:
    """Return the event that records an answer."""
    granted_or_denied = events.ApprovalGranted if answer.is_granted else events.ApprovalDenied
    node_id, iteration = answer.key
    return granted_or_denied(node_id, iteration, answer.note, answer.decided_by, answer.decision, answer.decided_at_ms)


def denial(node: NodeRecord) -> ErrorInfo:
    """Return the error of a node that was denied for good."""
    approval = node.approval
    assert approval is not None, f"{node.node_id!r} was denied before it asked"
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    note = f": {approval.note}" if approval.note else ""
    return ErrorInfo.of(ApprovalDenied(f"{node.kind} {node.node_id!r} was denied{by}{note}."))

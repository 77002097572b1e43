"""The kind of `Approval`: how a node asks a person, and what a decision leads to, also for other nodes that ask."""

import pydantic_core

from smithersd.core.kinds.kind import FlowActions
from smithersd.core.kinds.node_kind import NodeKind, Wait
from smithersd.core.log import events
from smithersd.core.log.records import ApprovalRecord, NodeKey, NodeRecord
from smithersd.core.tree.facts import Tree
from smithersd.elements import Approval, Decision, OnDeny
from smithersd.errors import ApprovalDenied, ErrorInfo


class ApprovalKind(NodeKind[Approval]):
    """A question to a person; the node's output is the decision."""

    name = Approval.kind
    shows_output = False

    def facts(self, element: Approval) -> Tree:
        """Return the facts of every node, and the title and `on_deny` of the approval."""
        return super().facts(element) | {"title": element.title, "onDeny": element.on_deny}

    def wait(self, element: Approval, key: NodeKey, flow: FlowActions) -> Wait:
        """Return the wait for the decision."""
        return asks(_question(element, key, flow))

    def resume_waiting(self, element: Approval, node: NodeRecord, flow: FlowActions) -> None:
        """Ask again if the question has been edited."""
        ask_again_if_edited(node, _question(element, node.key, flow), flow)

    def decided(self, node: NodeRecord, flow: FlowActions) -> None:
        """Finish the node with the decision as output; a denial may skip or fail the node instead."""
        request, decision = _decided(node)
        if decision.approved or request.on_deny is OnDeny.CONTINUE:
            flow.finish(node, pydantic_core.to_json(decision).decode())
        elif request.on_deny is OnDeny.SKIP:
            flow.skip(node)
        else:
            flow.fail(node, denial(node))


def _question(element: Approval, key: NodeKey, flow: FlowActions) -> events.ApprovalRequested:
    show = None if element.show is None else flow.node_id(element.show, flow.place_of(key))
    return events.ApprovalRequested(*key, element.title, element.summary, element.metadata, show, element.on_deny)


def _decided(node: NodeRecord) -> tuple[events.ApprovalRequested, Decision]:
    """Return the question of a node, and the decision."""
    approval = node.approval
    assert approval is not None, f"{node.node_id!r} was decided before it asked"
    assert approval.decision is not None, f"{node.node_id!r} was not decided"
    return approval.request, approval.decision


def asks(question: events.ApprovalRequested) -> Wait:
    """Return the wait for a person's decision."""
    return Wait(question, events.NodeWaitingApproval(question.node_id, question.iteration))


def ask_again_if_edited(node: NodeRecord, question: events.ApprovalRequested, flow: FlowActions) -> None:
    """Ask a question again if it differs from the one that the node has asked."""
    if node.approval is not None and _is_edited(node.approval, question):
        flow.ask_again(node, question)


def _is_edited(approval: ApprovalRecord, question: events.ApprovalRequested) -> bool:
    return pydantic_core.to_json(approval.request) != pydantic_core.to_json(question)  # as JSON, since True == 1


def decision_event(key: NodeKey, decision: Decision) -> events.ApprovalGranted | events.ApprovalDenied:
    """Return the event that records a decision."""
    event_class = events.ApprovalGranted if decision.approved else events.ApprovalDenied
    return event_class(*key, decision.note, decision.decided_by, decision.decision, decision.decided_at_ms)


def denial(node: NodeRecord) -> ErrorInfo:
    """Return the error of a node that fails because it was denied."""
    _, decision = _decided(node)
    by = f" by {decision.decided_by}" if decision.decided_by else ""
    note = f": {decision.note}" if decision.note else ""
    return ErrorInfo.of(ApprovalDenied(f"{node.kind} {node.node_id!r} was denied{by}{note}."))

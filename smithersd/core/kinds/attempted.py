"""AttemptedKind: what tasks and shells have in common: attempts, and an approval that may come before the first."""

from abc import ABC, abstractmethod
from typing import Any, TypeVar

from smithersd.core.kinds.approval import ask_again_if_edited, asks, denial
from smithersd.core.kinds.kind import FlowActions
from smithersd.core.kinds.node_kind import NodeKind, Wait
from smithersd.core.log import events
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.reuse.earlier import EarlierRun
from smithersd.core.tree.facts import Tree
from smithersd.elements import Element, OnDeny, Secret, Shell, Task, Value
from smithersd.elements.call.arguments import elements_in
from smithersd.elements.options.retry_on import RetryRule
from smithersd.elements.options.task_options import Attempts
from smithersd.limits import APPROVAL_TEXT_BYTES_MAX

AttemptedT = TypeVar("AttemptedT", bound=Task[Any] | Shell[Any])


def placeholder(given: Element[Any] | Value[Any] | Secret) -> str:
    """Name an output, what is made of one, or a secret, that is still to be put in."""
    if isinstance(given, Secret):
        return f"<secret {given.name}>"
    return f"<{given.id}>" if isinstance(given, Element) else f"<{given.source.id}>{given.steps}"


class AttemptedKind(NodeKind[AttemptedT], ABC):
    """A kind of node with attempts, which are retried if they fail."""

    has_effect = True

    def facts(self, element: AttemptedT) -> Tree:
        """Return the facts of every node, and the options of its attempts."""
        attempts = element.attempts
        facts = super().facts(element)
        if attempts.retry.retries:
            facts["retries"] = attempts.retry.retries
            if attempts.retry.rule != RetryRule():
                facts["retryOn"] = attempts.retry.rule.names
        if attempts.timeout_s is not None:
            facts["timeoutS"] = attempts.timeout_s
        if attempts.continues_on_fail:
            facts["continueOnFail"] = True
        if attempts.needs_approval:
            facts["needsApproval"] = True
        return facts

    def attempts(self, element: AttemptedT) -> Attempts:
        """Return the options of its attempts."""
        return element.attempts

    def secrets(self, element: AttemptedT) -> tuple[str, ...]:
        """Return the names of the secrets among its arguments or in its environment."""
        return element.secrets

    @abstractmethod
    def call_text(self, element: AttemptedT) -> str:
        """Return what an attempt does, as a text for the person who is to approve it.

        The same node has the same text in every process: an output is shown as `<node>`.
        """

    @abstractmethod
    def values_given(self, element: AttemptedT) -> list[Any]:
        """Return all of its arguments that may contain elements."""

    # Waiting

    def wait(self, element: AttemptedT, key: NodeKey, flow: FlowActions) -> Wait | None:
        """Request an approval before the first attempt, if the author wants one."""
        return asks(self._question(element, key, flow)) if element.attempts.needs_approval else None

    def resume_waiting(self, element: AttemptedT, node: NodeRecord, flow: FlowActions) -> None:
        """Replace the request if what is to be done has changed."""
        if element.attempts.needs_approval:
            ask_again_if_edited(node, self._question(element, node.key, flow), flow)

    def decided(self, node: NodeRecord, flow: FlowActions) -> None:
        """Start an attempt if it was approved; otherwise fail the node."""
        assert node.approval is not None, f"{node.node_id!r} was decided before it asked"
        if node.approval.is_approved:
            flow.start(node)
        else:
            flow.fail(node, denial(node))

    def _question(self, element: AttemptedT, key: NodeKey, flow: FlowActions) -> events.ApprovalRequested:
        title = f"Run {element.label or key[0]}?"
        does = self.call_text(element).encode()[:APPROVAL_TEXT_BYTES_MAX].decode(errors="ignore")
        return events.ApprovalRequested(*key, title, does, None, self._only_source(element, key, flow), OnDeny.FAIL)

    def _only_source(self, element: AttemptedT, key: NodeKey, flow: FlowActions) -> str | None:
        """Return the only node whose output is among the arguments; None if there are none or several."""
        given = elements_in(self.values_given(element)) if element.has_elements else ()
        sources = {flow.node_id(source, flow.place_of(key)) for source in given}
        return sources.pop() if len(sources) == 1 else None

    # Reuse of an earlier run's outputs

    def unfit_reason(self, element: AttemptedT, key: NodeKey, earlier: EarlierRun) -> str | None:
        """Return the reason if it needs an approval and had none in the earlier run."""
        is_unapproved = element.attempts.needs_approval and not earlier.was_approved(key)
        return "it needed no approval before" if is_unapproved else None

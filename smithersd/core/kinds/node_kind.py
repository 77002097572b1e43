"""NodeKind: what kinds of nodes have beside: waits, attempts, and when a later run may reuse the output."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from smithersd.core.flow.values import Secrets, Texts
from smithersd.core.flow.work import Work
from smithersd.core.kinds.kind import FlowActions, Kind
from smithersd.core.log.events import Event
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.signals import KeptSignal, SignalAddress
from smithersd.core.reuse.earlier import EarlierRun
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import ScopeReads
from smithersd.elements import Node
from smithersd.elements.element import Reference
from smithersd.elements.options.task_options import Attempts

NodeT = TypeVar("NodeT", bound=Node[Any])


@dataclass(frozen=True, slots=True)
class Due:
    """When a wait ends by itself, in milliseconds since the epoch.

    By the wall clock it ends when the machine's clock shows that time; otherwise when the time from now until then has
    passed, even if somebody sets that clock.
    """

    at_ms: int
    is_by_wall_clock: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """A node's wait: the event of the request, the event of the waiting state, and when it is due (None: never).

    `waiting` is None if the request leads to that state itself. `signal` is what the node waits for, if that is a
    signal. `reads` are the nodes that were read to compute it.
    """

    request: Event
    waiting: Event | None = None
    due: Due | None = None
    signal: SignalAddress | None = None
    reads: ScopeReads = field(default_factory=ScopeReads)


class NodeKind(Kind[NodeT]):
    """A kind of node. By default it starts an attempt when the flow reaches it."""

    has_effect: ClassVar[bool] = False
    """Whether it has an effect that a later node could undo."""
    has_process: ClassVar[bool] = False
    """Whether an attempt is a process with a tag of its own."""
    shows_output: ClassVar[bool] = True
    """Whether to show its output to people; not if the line about its end says it already."""

    def own_id(self, element: NodeT) -> str:
        """Return the author's id."""
        return element.id

    def node(self, element: NodeT) -> Node[Any]:
        """Return the element."""
        return element

    def facts(self, element: NodeT) -> Tree:
        """Return its label, and what else is known of it without the tree."""
        facts: Tree = {} if element.label is None else {"label": element.label}
        if element.has_plain_arguments:
            facts["plainArguments"] = True
        if not isinstance(element.skip_if, bool):
            facts["skipIf"] = True
        return facts

    def references(self, element: NodeT) -> Iterator[Reference]:
        """Return what it is given, what it names and what its condition is."""
        return element.references()

    def enter(self, place: Place, flow: FlowActions) -> None:
        """Start the node, or continue it."""
        flow.enter_node(place)

    # Waiting

    def wait(self, element: NodeT, key: NodeKey, flow: FlowActions) -> Wait | None:  # noqa: ARG002
        """Return what it waits for before it starts or ends; None if it does not wait."""
        return None

    def resume_waiting(self, element: NodeT, node: NodeRecord, flow: FlowActions) -> None:
        """Continue a wait that began under an earlier driver or rendering."""

    def decided(self, node: NodeRecord, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows from a person's decision, which is in the node's record."""
        raise AssertionError(f"{node.node_id!r} does not wait for a decision")

    def due(self, node: NodeRecord, late_ms: int, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows when its wait is due; it was due `late_ms` ago."""
        raise AssertionError(f"{node.node_id!r} does not wait for a time")

    def fired(self, node: NodeRecord, fired_by: str | None, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows when somebody ends its wait for a time."""
        raise AssertionError(f"{node.node_id!r} waits for no time")

    def signalled(self, element: NodeT, node: NodeRecord, signal: KeptSignal, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows from a signal for the node: take it with an event, whatever is in it."""
        raise AssertionError(f"{node.node_id!r} does not wait for a signal")

    # Attempts

    def attempts(self, element: NodeT) -> Attempts | None:  # noqa: ARG002
        """Return the options of its attempts; None if it has no attempts."""
        return None

    def secrets(self, element: NodeT) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of the secrets that an attempt is given."""
        return ()

    def work(self, element: NodeT, texts: Texts, secrets: Secrets, tag: str) -> Work:  # noqa: ARG002
        """Return what an attempt does; `texts` are the outputs among its arguments, `tag` marks its processes.

        Raises:
            InvalidOutput: an output cannot be read.
            ValueFailed: a value cannot be made of one.
        """
        raise AssertionError(f"{element.id!r} has no attempts")

    def output_encoder(self, element: NodeT) -> Callable[[Any], str]:
        """Return the function that converts an attempt's result to the output as JSON text."""
        return element.schema.dump

    # Reuse of an earlier run's outputs

    def unfit_reason(self, element: NodeT, key: NodeKey, earlier: EarlierRun) -> str | None:  # noqa: ARG002
        """Return why an output of the earlier run cannot be reused for this element; None if it can."""
        return None

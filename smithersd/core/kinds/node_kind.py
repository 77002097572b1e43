"""NodeKind: what a kind of node says beside: what it waits for, how it is attempted, what a new run takes over."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from smithersd.core.flow.values import Texts
from smithersd.core.flow.work import Work
from smithersd.core.kinds.kind import FlowActions, Kind
from smithersd.core.log.events import Event
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.reuse.earlier import EarlierRun
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import ScopeReads
from smithersd.elements import Node
from smithersd.elements.element import reference_id
from smithersd.elements.options.task_options import Attempts

NodeT = TypeVar("NodeT", bound=Node[Any])


@dataclass(frozen=True, slots=True)
class Due:
    """When a wait ends by itself, in milliseconds since the epoch.

    By the wall clock it ends when the machine's clock shows that time; else when as much time has passed as lies ahead
    now, whatever somebody does to that clock.
    """

    at_ms: int
    is_by_wall_clock: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """What a node waits for: the event that asks, the one by which it waits, and when it is due (None: never).

    `reads` are the nodes that were looked at to find that out.
    """

    request: Event
    waiting: Event
    due: Due | None = None
    reads: ScopeReads = field(default_factory=ScopeReads)


class NodeKind(Kind[NodeT]):
    """A kind of node. One that says nothing more starts an attempt when the flow reaches it."""

    has_effect: ClassVar[bool] = False
    """Whether it does something that a later node could undo."""
    has_process: ClassVar[bool] = False
    """Whether an attempt is a process with a tag of its own."""
    shows_output: ClassVar[bool] = True
    """Whether people are shown its output; else what they are told of its end says it already."""

    def own_id(self, element: NodeT) -> str:
        """Return the id that the author gave."""
        return element.id

    def node(self, element: NodeT) -> Node[Any]:
        """Return the element."""
        return element

    def facts(self, element: NodeT) -> Tree:
        """Return its label, what it is given and what it comes after."""
        facts: Tree = {} if element.label is None else {"label": element.label}
        arguments = list(dict.fromkeys(given.id for given in element.inputs()))
        if arguments:
            facts["arguments"] = arguments
        if element.has_plain_arguments:
            facts["plainArguments"] = True
        if not isinstance(element.skip_if, bool):
            facts["skipIf"] = True
        after = list(dict.fromkeys(map(reference_id, element.references())))
        if after:
            facts["dependsOn"] = after
        return facts

    def enter(self, place: Place, flow: FlowActions) -> None:
        """Let it begin, or go on."""
        flow.enter_node(place)

    # Waiting

    def wait(self, element: NodeT, key: NodeKey, flow: FlowActions) -> Wait | None:  # noqa: ARG002
        """Return what it waits for before it goes on, None where it waits for nothing."""
        return None

    def go_on_waiting(self, element: NodeT, node: NodeRecord, flow: FlowActions) -> None:
        """Take up a wait that an earlier driver or rendering has begun."""

    def decided(self, node: NodeRecord, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows from a person's decision, which the node's record tells."""
        raise AssertionError(f"{node.node_id!r} waits for no decision")

    def due(self, node: NodeRecord, late_ms: int, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows when its time has come, `late_ms` ago."""
        raise AssertionError(f"{node.node_id!r} waits for no time")

    def fired(self, node: NodeRecord, fired_by: str | None, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows when somebody ends its wait for a time."""
        raise AssertionError(f"{node.node_id!r} waits for no time")

    # Attempts

    def attempts(self, element: NodeT) -> Attempts | None:  # noqa: ARG002
        """Return how it is attempted, None where it has no attempts."""
        return None

    def work(self, element: NodeT, texts: Texts, tag: str) -> Work:  # noqa: ARG002
        """Return what an attempt does, given the outputs that it runs with; `tag` marks the processes of it.

        Raises:
            InvalidOutput: an output cannot be read.
        """
        raise AssertionError(f"{element.id!r} has no attempts")

    def output_encoder(self, element: NodeT) -> Callable[[Any], str]:
        """Return what turns an attempt's result into the output as JSON."""
        return element.schema.dump

    # A run that takes over what an earlier one has done

    def unfit_reason(self, element: NodeT, earlier: EarlierRun) -> str | None:  # noqa: ARG002
        """Say why the output of an earlier run is not that of this element, None where it may be."""
        return None

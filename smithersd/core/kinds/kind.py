"""Kind: what the flow and the readers of a run need to know of one class of elements.

Each kind is one object in the registry (`core/kinds/registry.py`). `Kind` has the methods of all kinds, `NodeKind`
(`core/kinds/node_kind.py`) those of nodes. A new kind overrides what is different for it.
"""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from smithersd.core.log.events import Event
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.signals import SignalAddress
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import Evaluated
from smithersd.core.tree.scope import Scope
from smithersd.elements import Child, Context, Node
from smithersd.elements.element import Condition, Reference
from smithersd.errors import ErrorInfo

if TYPE_CHECKING:
    from smithersd.core.kinds.node_kind import Due

ChildT = TypeVar("ChildT", bound=Child)


class ChildOrder(Enum):
    """The order in which the flow reaches the children of an element."""

    IN_TURN = auto()
    """The first is reached with the element, each further one when the one before it has ended."""
    TOGETHER = auto()
    """All are reached with the element."""
    BY_CHOICE = auto()
    """The element itself is entered, and its kind chooses which are reached, if it has any."""


class FlowActions(Protocol):
    """What a kind can do to the run when the flow reaches one of its places, or one of its waits ends."""

    @property
    def state(self) -> RunState:
        """The run's state."""

    @property
    def now_ms(self) -> int:
        """The time of the events of this turn, in milliseconds since the epoch."""

    def emit(self, event: Event) -> None:
        """Add an event to the step, and apply it to the state."""

    def evaluate(self, condition: Condition, place: Place, what: str) -> Evaluated[bool]:
        """Evaluate a condition that stands at a place; `what` names it in errors."""

    def call(self, function: Callable[[Context[Any]], object], place: Place, what: str) -> Evaluated[object]:
        """Call an author's function of the context that stands at a place; `what` names it in errors."""

    def place_of(self, key: NodeKey) -> Place:
        """Return where a node that the flow has reached stands."""

    def node_id(self, reference: Reference, place: Place) -> str:
        """Return the id of the node that is meant at a place."""

    def expand(self, place: Place) -> None:
        """Render a lazy subtree and reach it."""

    def choose(self, place: Place, value: bool) -> None:  # noqa: FBT001 - the branch's answer
        """Reach one side of a branch, and drop the other."""

    def enter_node(self, place: Place) -> None:
        """Start a node, or continue from the state that the log gives it."""

    def start(self, node: NodeRecord) -> None:
        """Start an attempt as soon as there is a slot."""

    def wait_until(self, node: NodeRecord, due: "Due") -> None:
        """Call the kind's `due` when the wait is due."""

    def wait_for_signal(self, node: NodeRecord, address: SignalAddress) -> None:
        """Call the kind's `signalled` when there is a signal for the node, unless it is no longer in the tree."""

    def finish(self, node: NodeRecord, output: str) -> None:
        """End a node with an output, as JSON."""

    def skip(self, node: NodeRecord) -> None:
        """End a node without an output."""

    def fail(self, node: NodeRecord, error: ErrorInfo) -> None:
        """End a node with an error, and the run with it unless the node has continue_on_fail."""

    def ask_again(self, node: NodeRecord, request: Event) -> None:
        """Replace the request of a waiting node, unless a decision is accepted before that."""


class Kind(Generic[ChildT]):
    """One class of elements: its facts in the tree, its children, and what reaching it means."""

    name: ClassVar[str]
    """Its name in trees, events and messages."""
    order: ClassVar[ChildOrder] = ChildOrder.BY_CHOICE
    """The order in which the flow reaches its children."""
    is_container: ClassVar[bool] = False
    """Whether its tree has a list of children."""
    is_rendered_late: ClassVar[bool] = False
    """Whether its content is rendered only when the flow reaches it."""
    is_decided_once: ClassVar[bool] = False
    """Whether the log keeps its choice, by its id."""
    child_names: ClassVar[tuple[str, ...]] = ()
    """The names of its children, if each has a role of its own."""

    @property
    def with_article(self) -> str:
        """The kind's name with its article, for messages: "a task", "an approval"."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    def facts(self, element: ChildT) -> Tree:  # noqa: ARG002
        """Return what the tree has of an element beside its kind, id and children."""
        return {}

    def children(self, element: ChildT) -> tuple[Child, ...]:  # noqa: ARG002
        """Return the children of an element, in tree order."""
        return ()

    def references(self, element: ChildT) -> Iterator[Reference]:  # noqa: ARG002
        """Return what must have ended before an element is due, once the flow has reached it."""
        yield from ()

    def concurrency_limit(self, element: ChildT) -> int | None:  # noqa: ARG002
        """Return how many attempts inside it may run at once; None if it has no limit of its own."""
        return None

    def scope_inside(self, element: ChildT, scope: Scope) -> Scope:  # noqa: ARG002
        """Return the scope of what stands in an element that stands in `scope`."""
        return scope

    def output_child(self, place: Place) -> Place | None:  # noqa: ARG002
        """Return what gives an element that is no node its output; None where nothing does, or not yet."""
        return None

    def own_id(self, element: ChildT) -> str | None:  # noqa: ARG002
        """Return the author's id; None if there is none."""
        return None

    def node(self, element: ChildT) -> Node[Any] | None:  # noqa: ARG002
        """Return the element, if it is a node."""
        return None

    def enter(self, place: Place, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what follows when the flow reaches an element whose order is BY_CHOICE."""
        raise AssertionError(f"the children of {place.id!r} are not reached by choice")

    def mounted_children(self, place: Place, state: RunState) -> list[Place]:  # noqa: ARG002
        """Return the children that are part of the run; those that are not chosen yet are not."""
        return place.children

    def reader_name(self, place: Place) -> str:
        """Return the name, for errors, of the author's function that reads outputs at a place."""
        return f"condition of {self.name} {place.id!r}"

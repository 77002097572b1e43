"""Kind: what the flow and the readers of a run have to know of one class of elements.

Each kind is one object in the registry (`core/kinds/registry.py`). What stands in `Kind` is every question that is
asked of all kinds; nodes are asked more (`core/kinds/node_kind.py`). A new kind answers where it differs.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from smithersd.core.log.events import Event
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeRecord
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import Evaluated
from smithersd.elements import Child, Context, Node
from smithersd.elements.element import Condition
from smithersd.errors import ErrorInfo

if TYPE_CHECKING:
    from smithersd.core.kinds.node_kind import Due

ChildT = TypeVar("ChildT", bound=Child)


class ChildOrder(Enum):
    """In which order the flow takes the children of an element."""

    IN_TURN = auto()
    """The first is reached with the element, each other one when the one before has ended."""
    TOGETHER = auto()
    """All are reached with the element."""
    BY_CHOICE = auto()
    """The element itself is entered; its kind says which are reached, if there are any."""


class FlowActions(Protocol):
    """What a kind may do to the run, when the flow reaches one of its places or a wait of its has ended."""

    @property
    def state(self) -> RunState:
        """The run's state."""

    @property
    def now_ms(self) -> int:
        """The time at which things happen."""

    def emit(self, event: Event) -> None:
        """Decide an event."""

    def evaluate(self, condition: Condition, what: str) -> Evaluated[bool]:
        """Evaluate a condition; `what` names it in errors."""

    def call(self, function: Callable[[Context[Any]], object], what: str) -> Evaluated[object]:
        """Call an author's function of the context; `what` names it in errors."""

    def expand(self, place: Place) -> None:
        """Render a lazy subtree and reach it."""

    def choose(self, place: Place, value: bool) -> None:  # noqa: FBT001 - the branch's answer
        """Reach one side of a branch, and drop the other."""

    def enter_node(self, place: Place) -> None:
        """Let a node begin, or go on from what the log says of it."""

    def start(self, node: NodeRecord) -> None:
        """Start an attempt as soon as there is a slot."""

    def wait_until(self, node: NodeRecord, due: "Due") -> None:
        """Wake the node's kind when it is due."""

    def finish(self, node: NodeRecord, output: str) -> None:
        """End a node with an output, as JSON."""

    def skip(self, node: NodeRecord) -> None:
        """End a node without an output."""

    def fail(self, node: NodeRecord, error: ErrorInfo) -> None:
        """End a node with an error, and the run with it unless the node may fail."""

    def ask_again(self, node: NodeRecord, request: Event) -> None:
        """Replace what a node that waits has asked, unless an answer is accepted meanwhile."""


class Kind(Generic[ChildT]):
    """One class of elements: what its trees tell, and what reaching one of them means."""

    name: ClassVar[str]
    """The word for it in trees, events and messages."""
    order: ClassVar[ChildOrder] = ChildOrder.BY_CHOICE
    """In which order the flow takes its children."""
    is_container: ClassVar[bool] = False
    """Whether its trees list children."""
    is_rendered_late: ClassVar[bool] = False
    """Whether what stands in it is rendered only when the flow reaches it."""
    is_decided_once: ClassVar[bool] = False
    """Whether the log keeps a decision by its id."""
    child_names: ClassVar[tuple[str, ...]] = ()
    """What its children are called, where each has a part of its own."""

    @property
    def with_article(self) -> str:
        """The kind as a message names one of it: "a task", "an approval"."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    def facts(self, element: ChildT) -> Tree:  # noqa: ARG002
        """Return what the tree tells of an element beside its kind, id and children."""
        return {}

    def children(self, element: ChildT) -> tuple[Child, ...]:  # noqa: ARG002
        """Return what stands in an element, in tree order."""
        return ()

    def concurrency_limit(self, element: ChildT) -> int | None:  # noqa: ARG002
        """Return how many attempts inside it may run at once, None for as many as elsewhere."""
        return None

    def own_id(self, element: ChildT) -> str | None:  # noqa: ARG002
        """Return the id that the author gave, None where there is none."""
        return None

    def node(self, element: ChildT) -> Node[Any] | None:  # noqa: ARG002
        """Return the element, if it is a node."""
        return None

    def enter(self, place: Place, flow: FlowActions) -> None:  # noqa: ARG002
        """Do what it means that the flow has reached an element whose children are taken by choice."""
        raise AssertionError(f"the children of {place.id!r} are not taken by choice")

    def mounted_children(self, place: Place, state: RunState) -> list[Place]:  # noqa: ARG002
        """Return the children that are part of the run: not those of which something is still to be decided."""
        return place.children

    def reader_name(self, place: Place) -> str:
        """Name what reads outputs when the flow reaches a place."""
        return f"condition of {self.name} {place.id!r}"

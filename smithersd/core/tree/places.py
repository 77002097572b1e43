"""Places: one for each element or lazy subtree of a rendered tree, for the flow to walk.

A place has its kind, its key in the run's state, its position in tree order, its parent, and the limits of the
Parallels around it. `core/tree/compile.py` makes places.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from smithersd.core.log.records import NodeKey
from smithersd.core.tree.scope import Scope
from smithersd.elements import Child, Node
from smithersd.elements.texts import POSITION_MARK

if TYPE_CHECKING:
    from smithersd.core.kinds.kind import Kind

Order = tuple[int, ...]


class Progress(Enum):
    """How far the flow has come with a place."""

    AHEAD = auto()
    REACHED = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Cap:
    """A Parallel's own limit: attempts inside it that run, and ready places that wait for one of its slots."""

    limit: int
    used: int = 0
    parked: list[tuple[Order, "Place"]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether no further attempt may start inside."""
        return self.used >= self.limit


@dataclass(slots=True, eq=False)
class Place:
    """A position in the tree.

    `node` is the element if it is a node; `open` counts a container's children that have not ended, `missing` a node's
    dependencies that have not; `is_dropped` marks places in a child that a branch did not choose.
    `scope` is where it stands and where what it names is looked up, `after` what must have ended before it is due.
    """

    id: str
    key: NodeKey
    kind: "Kind[Any]"
    element: Child
    node: Node[Any] | None
    scope: Scope
    order: Order
    parent: "Place | None"
    caps: tuple[Cap, ...]
    children: "list[Place]" = field(default_factory=list)
    after: "tuple[Place, ...]" = ()
    progress: Progress = Progress.AHEAD
    open: int = 0
    missing: int = 0
    is_dropped: bool = False

    @property
    def own_id(self) -> str:
        """The id that the author gave, without what the scope puts before it; else the id."""
        return self.id.removeprefix(self.scope.prefix) if self.has_own_id else self.id

    @property
    def has_own_id(self) -> bool:
        """Whether the id is the author's; otherwise it is made from the position."""
        return not self.id.startswith(POSITION_MARK)

    @property
    def output_source(self) -> "Place":
        """Whence its output comes, as far as that is known: a node, or what is to be rendered or decided before."""
        place = self
        while place.node is None and (inner := place.kind.output_child(place)) is not None:
            place = inner
        return place

    def walk(self) -> "Iterator[Place]":
        """Yield this place and all places below it within its scope, in tree order."""
        stack = [self]
        while stack:
            place = stack.pop()
            yield place
            stack.extend(reversed(place.children))

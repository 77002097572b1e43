"""Places: a rendered tree, compiled into what the scheduler walks.

Each element (or lazy function) of a scope becomes a `Place` with an id, its position in tree order, its parent, and the
concurrency caps above it. Compiling also yields the scope's tree JSON (`core/tree/frames.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from smithersd.core.tree.frames import Tree
from smithersd.elements import Approval, Branch, Child, Element, Node, Parallel, Sequence, Shell, Task
from smithersd.elements.container import Container
from smithersd.elements.texts import POSITION_MARK
from smithersd.errors import WorkflowError
from smithersd.limits import TREE_DEPTH_MAX

Order = tuple[int, ...]


class Progress(Enum):
    """How far the flow is with a place."""

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
        """Whether no attempt more may start inside."""
        return self.used >= self.limit


@dataclass(slots=True, eq=False)
class Place:
    """A position in the tree.

    `open` counts a container's children that have not ended, `missing` a node's dependencies that have not;
    `is_dropped` marks the side that a branch did not choose.
    """

    id: str
    kind: str
    element: Child
    order: Order
    scope: str
    parent: "Place | None"
    caps: tuple[Cap, ...]
    children: "list[Place]" = field(default_factory=list)
    progress: Progress = Progress.AHEAD
    open: int = 0
    missing: int = 0
    is_dropped: bool = False

    @property
    def has_own_id(self) -> bool:
        """Whether the author gave the id; else it tells the position."""
        return not self.id.startswith(POSITION_MARK)

    @property
    def node(self) -> Node[Any] | None:
        """The element, where this is the place of a node."""
        return self.element if isinstance(self.element, Node) else None

    def walk(self) -> "Iterator[Place]":
        """This place and all below it within its scope, in tree order."""
        stack = [self]
        while stack:
            place = stack.pop()
            yield place
            stack.extend(reversed(place.children))


LAZY = "lazy"


def compile_scope(child: Child, scope: str, lazy: Place | None) -> tuple[Place, Tree]:
    """Compile what a scope's function returned; `lazy` is the place that it fills (None for the root scope).

    Raises:
        WorkflowError: it is nested too deeply.
    """
    unnamed: list[tuple[Node[Any], Tree]] = []
    if lazy is None:
        top, tree = _compile(child, _Scope(scope, unnamed), None, (0,), ())
    else:
        top, tree = _compile(child, _Scope(scope, unnamed), lazy, (*lazy.order, 0), lazy.caps)
    _name_dependencies(unnamed, top)
    return top, tree


@dataclass(frozen=True, slots=True)
class _Scope:
    """A scope that is compiled; `unnamed` are its nodes, with their trees, that depend on elements without an id."""

    id: str
    unnamed: list[tuple[Node[Any], Tree]]


def _compile(
    child: Child, scope: _Scope, parent: Place | None, order: Order, caps: tuple[Cap, ...]
) -> tuple[Place, Tree]:
    if len(order) > TREE_DEPTH_MAX:
        raise WorkflowError(f"The tree is more than {TREE_DEPTH_MAX} elements deep.", remedy="Flatten it.")
    place = _place(child, scope.id, parent, order, caps)
    tree = _tree(place)
    if isinstance(child, Node):
        if None in tree.get("dependsOn", ()):
            scope.unnamed.append((child, tree))
        return place, tree
    inner_caps = _caps_inside(child, caps)
    for index, inner in enumerate(_children(child)):
        inner_place, inner_tree = _compile(inner, scope, place, (*order, index), inner_caps)
        place.children.append(inner_place)
        tree["children"].append(inner_tree)
    place.open = len(place.children)
    return place, tree


def _name_dependencies(unnamed: list[tuple[Node[Any], Tree]], top: Place) -> None:
    """Name the elements without an id that nodes depend on by their positions; they may stand in an outer scope."""
    if not unnamed:
        return
    root = top
    while root.parent is not None:
        root = root.parent
    ids = {id(place.element): place.id for tree in (root, top) for place in tree.walk()}
    for node, tree in unnamed:
        after = (one if isinstance(one, str) else one.id or ids.get(id(one)) for one in node.references())
        tree["dependsOn"] = list(dict.fromkeys(name for name in after if name is not None))


def _place(child: Child, scope: str, parent: Place | None, order: Order, caps: tuple[Cap, ...]) -> Place:
    path_id = POSITION_MARK + ".".join(map(str, order))
    if isinstance(child, Element):
        return Place(child.id or path_id, child.kind, child, order, scope, parent, caps)
    return Place(path_id, LAZY, child, order, scope, parent, caps)


def _children(child: Child) -> tuple[Child, ...]:
    match child:
        case Sequence() | Parallel():
            return child.children
        case Branch():
            return (child.then,) if child.otherwise is None else (child.then, child.otherwise)
        case _:
            return ()


def _caps_inside(child: Child, caps: tuple[Cap, ...]) -> tuple[Cap, ...]:
    if isinstance(child, Parallel) and child.max_concurrency is not None:
        return (*caps, Cap(child.max_concurrency))
    return caps


def _tree(place: Place) -> Tree:
    tree: Tree = {"kind": place.kind, "id": place.id}
    if isinstance(place.element, Container) and place.element.label is not None:
        tree["label"] = place.element.label
    match place.element:
        case Task() | Shell() as node:
            return tree | _node_facts(node) | _attempt_facts(node)
        case Approval() as gate:
            return tree | _node_facts(gate) | {"title": gate.title, "onDeny": gate.on_deny}
        case Parallel(max_concurrency=int(limit)):
            tree["maxConcurrency"] = limit
        case _:
            pass
    if place.kind != LAZY:
        tree["children"] = []
    return tree


def _node_facts(node: Node[Any]) -> Tree:
    facts: Tree = {} if node.label is None else {"label": node.label}
    arguments = list(dict.fromkeys(one.id for one in node.inputs()))
    if arguments:
        facts["arguments"] = arguments
    if node.has_plain_arguments:
        facts["plainArguments"] = True
    if not isinstance(node.skip_if, bool):
        facts["skipIf"] = True
    after = [one if isinstance(one, str) else one.id for one in node.references()]
    if after:
        facts["dependsOn"] = list(dict.fromkeys(after))
    return facts


def _attempt_facts(node: Task[Any] | Shell[Any]) -> Tree:
    attempts = node.attempts
    facts: Tree = {}
    if attempts.retry.retries:
        facts["retries"] = attempts.retry.retries
    if attempts.timeout_s is not None:
        facts["timeoutS"] = attempts.timeout_s
    if attempts.continues_on_fail:
        facts["continueOnFail"] = True
    if attempts.needs_approval:
        facts["needsApproval"] = True
    return facts

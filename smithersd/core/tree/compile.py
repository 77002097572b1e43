"""Compile a rendered scope to the places that the flow walks, and to the JSON that its frame stores."""

from dataclasses import dataclass
from typing import Any

from smithersd.core.kinds.kind import Kind
from smithersd.core.kinds.registry import kind_of
from smithersd.core.log.records import FIRST_ITERATION
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Cap, Order, Place
from smithersd.elements import Child, Node
from smithersd.elements.element import reference_id
from smithersd.elements.texts import POSITION_MARK
from smithersd.errors import WorkflowError
from smithersd.limits import TREE_DEPTH_MAX


def compile_scope(child: Child, lazy: Place | None) -> tuple[Place, Tree]:
    """Compile what the function of a scope returned; `lazy` is the place of a lazy subtree, None for the root scope.

    Raises:
        WorkflowError: it is nested too deeply.
    """
    unnamed: list[tuple[Node[Any], Tree]] = []
    if lazy is None:
        top, tree = _compile(child, _Scope(FIRST_ITERATION, unnamed), None, (0,), ())
    else:
        top, tree = _compile(child, _Scope(lazy.key[1], unnamed), lazy, (*lazy.order, 0), lazy.caps)
    _name_dependencies(unnamed, top)
    return top, tree


@dataclass(frozen=True, slots=True)
class _Scope:
    """The scope that is being compiled; `unnamed` are its nodes, with trees, that depend on elements without an id."""

    iteration: int
    unnamed: list[tuple[Node[Any], Tree]]


def _compile(
    child: Child, scope: _Scope, parent: Place | None, order: Order, caps: tuple[Cap, ...]
) -> tuple[Place, Tree]:
    if len(order) > TREE_DEPTH_MAX:
        raise WorkflowError(f"The tree is more than {TREE_DEPTH_MAX} elements deep.", remedy="Nest fewer containers.")
    kind = kind_of(child)
    place = _place(child, kind, scope, parent, order, caps)
    tree: Tree = {"kind": kind.name, "id": place.id} | kind.facts(child)
    if place.node is not None and None in tree.get("dependsOn", ()):
        scope.unnamed.append((place.node, tree))
    if kind.is_container:
        tree["children"] = _compile_children(child, scope, place)
    return place, tree


def _compile_children(child: Child, scope: _Scope, place: Place) -> list[Tree]:
    limit = place.kind.concurrency_limit(child)
    caps = place.caps if limit is None else (*place.caps, Cap(limit))
    trees = []
    for index, inner in enumerate(place.kind.children(child)):
        inner_place, inner_tree = _compile(inner, scope, place, (*place.order, index), caps)
        place.children.append(inner_place)
        trees.append(inner_tree)
    place.open = len(place.children)
    return trees


def _place(
    child: Child, kind: Kind[Any], scope: _Scope, parent: Place | None, order: Order, caps: tuple[Cap, ...]
) -> Place:
    place_id = kind.own_id(child) or POSITION_MARK + ".".join(map(str, order))
    return Place(
        id=place_id,
        key=(place_id, scope.iteration),
        kind=kind,
        element=child,
        node=kind.node(child),
        order=order,
        parent=parent,
        caps=caps,
    )


def _name_dependencies(unnamed: list[tuple[Node[Any], Tree]], top: Place) -> None:
    """Add the position ids of elements without an id to the trees of the nodes that depend on them."""
    if not unnamed:
        return
    root = top
    while root.parent is not None:
        root = root.parent
    ids = {id(place.element): place.id for tree in (root, top) for place in tree.walk()}
    for node, tree in unnamed:
        references = kind_of(node).references(node)
        after = (reference_id(reference) or ids.get(id(reference)) for reference in references)
        tree["dependsOn"] = list(dict.fromkeys(name for name in after if name is not None))

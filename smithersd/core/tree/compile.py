"""Compile a rendered scope to the places that the flow walks, and to the JSON that its frame stores."""

from typing import Any

from smithersd.core.kinds.kind import Kind
from smithersd.core.kinds.registry import kind_of
from smithersd.core.log.records import FIRST_ITERATION
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Cap, Order, Place
from smithersd.core.tree.plan import Plan
from smithersd.core.tree.scope import ROOT, Scope
from smithersd.elements import Child
from smithersd.elements.texts import POSITION_MARK
from smithersd.errors import WorkflowError
from smithersd.limits import NODE_ID_LENGTH_MAX, SCOPED_ID_LENGTH_MAX, TREE_DEPTH_MAX


def compile_scope(child: Child, lazy: Place | None) -> Place:
    """Compile what the function of a scope returned; `lazy` is the place of a lazy subtree, None for the root scope.

    Raises:
        WorkflowError: it is nested too deeply, or an id is too long with the names of the groups before it.
    """
    if lazy is None:
        return _compile(child, ROOT, None, (0,), ())
    return _compile(child, lazy.scope, lazy, (*lazy.order, 0), lazy.caps)


def tree_of(place: Place, plan: Plan) -> Tree:
    """Return what a frame stores of a place of the plan and of what is inside."""
    tree: Tree = {"kind": place.kind.name, "id": place.id}
    if place.node is not None and place.key[1] != FIRST_ITERATION:
        tree["iteration"] = place.key[1]
    tree |= place.kind.facts(place.element)
    if place.node is not None:
        given = (plan.find(element, place.scope) for element in place.node.inputs())
        arguments = list(dict.fromkeys(source.output_source.id for source in given if source is not None))
        if arguments:
            tree["arguments"] = arguments
    if place.after:
        tree["dependsOn"] = [target.id for target in place.after]
    if place.kind.is_container:
        tree["children"] = [tree_of(inner, plan) for inner in place.children]
    return tree


def _compile(child: Child, scope: Scope, parent: Place | None, order: Order, caps: tuple[Cap, ...]) -> Place:
    if len(order) > TREE_DEPTH_MAX:
        raise WorkflowError(f"The tree is more than {TREE_DEPTH_MAX} elements deep.", remedy="Nest fewer containers.")
    kind = kind_of(child)
    place = _place(child, kind, scope, parent, order, caps)
    limit = kind.concurrency_limit(child)
    inner_caps = caps if limit is None else (*caps, Cap(limit))
    inner_scope = kind.scope_inside(child, scope)
    place.children = [
        _compile(inner, inner_scope, place, (*order, index), inner_caps)
        for index, inner in enumerate(kind.children(child))
    ]
    place.open = len(place.children)
    return place


def _place(
    child: Child, kind: Kind[Any], scope: Scope, parent: Place | None, order: Order, caps: tuple[Cap, ...]
) -> Place:
    own_id = kind.own_id(child)
    key = (POSITION_MARK + ".".join(map(str, order)), scope.iteration) if own_id is None else scope.key(own_id)
    if len(key[0]) > SCOPED_ID_LENGTH_MAX:
        raise WorkflowError(
            f"The id {key[0][:NODE_ID_LENGTH_MAX]}... is longer than {SCOPED_ID_LENGTH_MAX} characters.",
            remedy="Give the groups around it shorter ids.",
        )
    return Place(
        id=key[0],
        key=key,
        kind=kind,
        element=child,
        node=kind.node(child),
        scope=scope,
        order=order,
        parent=parent,
        caps=caps,
    )

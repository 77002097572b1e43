"""The kind of `Group`: a child under a name."""

from typing import Any

from smithersd.core.kinds.container_kind import ContainerKind
from smithersd.core.kinds.kind import ChildOrder
from smithersd.core.tree.places import Place
from smithersd.core.tree.scope import Scope
from smithersd.elements import Child, Group


class GroupKind(ContainerKind[Group[Any]]):
    """A child whose ids begin with the group's."""

    name = Group.kind
    order = ChildOrder.IN_TURN

    def children(self, element: Group[Any]) -> tuple[Child, ...]:
        """Return the child."""
        return (element.child,)

    def scope_inside(self, element: Group[Any], scope: Scope) -> Scope:
        """Return a scope of its own."""
        return scope.inside(element.id)

    def output_child(self, place: Place) -> Place | None:
        """Return the child."""
        return place.children[0]

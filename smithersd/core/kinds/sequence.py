"""The kind of `Sequence`: its children run one after another."""

from typing import Any

from smithersd.core.kinds.container_kind import ContainerKind
from smithersd.core.kinds.kind import ChildOrder
from smithersd.core.tree.places import Place
from smithersd.elements import Child, Sequence


class SequenceKind(ContainerKind[Sequence[Any]]):
    """Children that run one after another."""

    name = Sequence.kind
    order = ChildOrder.IN_TURN

    def children(self, element: Sequence[Any]) -> tuple[Child, ...]:
        """Return its children, in the author's order."""
        return element.children

    def output_child(self, place: Place) -> Place | None:
        """Return the last child."""
        return place.children[-1] if place.children else None

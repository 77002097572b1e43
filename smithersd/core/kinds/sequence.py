"""The kind of `Sequence`: its children one after another."""

from smithersd.core.kinds.container_kind import ContainerKind
from smithersd.core.kinds.kind import ChildOrder
from smithersd.elements import Child, Sequence


class SequenceKind(ContainerKind[Sequence]):
    """Children one after another."""

    name = Sequence.kind
    order = ChildOrder.IN_TURN

    def children(self, element: Sequence) -> tuple[Child, ...]:
        """Return what it was given, in that order."""
        return element.children

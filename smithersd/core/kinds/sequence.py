"""The kind of `Sequence`: its children run one after another."""

from smithersd.core.kinds.container_kind import ContainerKind
from smithersd.core.kinds.kind import ChildOrder
from smithersd.elements import Child, Sequence


class SequenceKind(ContainerKind[Sequence]):
    """Children that run one after another."""

    name = Sequence.kind
    order = ChildOrder.IN_TURN

    def children(self, element: Sequence) -> tuple[Child, ...]:
        """Return its children, in the author's order."""
        return element.children

"""The kind of a lazy subtree: a function of the context in an element's place."""

from smithersd.core.kinds.kind import FlowActions, Kind
from smithersd.core.tree.places import Place
from smithersd.elements.element import Lazy


class LazyKind(Kind[Lazy]):
    """A function that is rendered when the flow reaches it."""

    name = "lazy"
    is_rendered_late = True

    def enter(self, place: Place, flow: FlowActions) -> None:
        """Render it, and reach what it returned."""
        flow.expand(place)

    def reader_name(self, place: Place) -> str:
        """Name it by its place."""
        return f"lazy subtree at {place.id}"

"""The kind of a lazy subtree: a function of the context instead of an element."""

from smithersd.core.kinds.kind import FlowActions, Kind
from smithersd.core.tree.places import Place
from smithersd.elements.element import Lazy


class LazyKind(Kind[Lazy]):
    """A function that is rendered when the flow reaches it."""

    name = "lazy"
    is_rendered_late = True

    def enter(self, place: Place, flow: FlowActions) -> None:
        """Render it, and reach the element that it returned."""
        flow.expand(place)

    def output_child(self, place: Place) -> Place | None:
        """Return what it returned, once it is rendered."""
        return place.children[0] if place.children else None

    def reader_name(self, place: Place) -> str:
        """Return its name for errors, with its position."""
        return f"lazy subtree at {place.id}"

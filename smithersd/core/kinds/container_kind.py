"""ContainerKind: what the kinds of containers have in common."""

from typing import Any, TypeVar

from smithersd.core.kinds.kind import Kind
from smithersd.core.tree.facts import Tree
from smithersd.elements.container import Container

ContainerT = TypeVar("ContainerT", bound=Container[Any])


class ContainerKind(Kind[ContainerT]):
    """A kind of element that holds others."""

    is_container = True

    def own_id(self, element: ContainerT) -> str | None:
        """Return the author's id, if there is one."""
        return element.id

    def facts(self, element: ContainerT) -> Tree:
        """Return its label, if it has one."""
        return {} if element.label is None else {"label": element.label}

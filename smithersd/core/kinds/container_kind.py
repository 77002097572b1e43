"""ContainerKind: what all kinds have in common that an author makes around others."""

from typing import TypeVar

from smithersd.core.kinds.kind import Kind
from smithersd.core.tree.facts import Tree
from smithersd.elements.container import Container

ContainerT = TypeVar("ContainerT", bound=Container)


class ContainerKind(Kind[ContainerT]):
    """A kind of element around others."""

    is_container = True

    def own_id(self, element: ContainerT) -> str | None:
        """Return the id that the author gave, if there is one."""
        return element.id

    def facts(self, element: ContainerT) -> Tree:
        """Return its label."""
        return {} if element.label is None else {"label": element.label}

"""Sequence: children one after another."""

from smithersd.elements.container import Container, checked_child
from smithersd.elements.element import Child


class Sequence(Container):
    """Run the children one after another; it ends with its last child.

    Examples:
        >>> from smithersd import Task
        >>> steps = Sequence(Task("one", print, "1"), Task("two", print, "2"), label="Both steps")
    """

    __slots__ = ("children",)

    kind = "sequence"

    def __init__(self, *children: Child, id: str | None = None, label: str | None = None) -> None:
        super().__init__(id, label)
        self.children = tuple(checked_child(child, self) for child in children)

"""Parallel: children at the same time."""

from smithersd.elements.container import Container, checked_child, checked_limit
from smithersd.elements.element import Child


class Parallel(Container[None]):
    """Run the children at the same time; it ends when all of them have ended.

    `max_concurrency` limits how many attempts inside run at once, beside the run's own limit.

    Examples:
        >>> from smithersd import Task
        >>> both = Parallel(Task("left", print, "l"), Task("right", print, "r"), max_concurrency=1)
    """

    __slots__ = ("children", "max_concurrency")

    kind = "parallel"

    def __init__(
        self, *children: Child, max_concurrency: int | None = None, id: str | None = None, label: str | None = None
    ) -> None:
        super().__init__(id, label)
        self.max_concurrency = checked_limit(max_concurrency, "a parallel")
        self.children = tuple(checked_child(child, self) for child in children)

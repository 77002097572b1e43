"""Sequence: children one after another."""

from typing import Any, overload

from typing_extensions import TypeVar

from smithersd.elements.container import Container, checked_child
from smithersd.elements.element import Child, Element, schema_of
from smithersd.elements.values.schema import Schema

T_co = TypeVar("T_co", covariant=True, default=Any)


class Sequence(Container[T_co]):
    """Run the children one after another; it ends with its last child, and has the output of that one.

    Examples:
        >>> from smithersd import Task
        >>> steps = Sequence(Task("one", print, "1"), Task("two", print, "2"), label="Both steps")
    """

    __slots__ = ("children",)

    kind = "sequence"

    @overload
    def __init__(
        self: "Sequence[None]", *children: *tuple[()], id: str | None = None, label: str | None = None
    ) -> None: ...
    @overload
    def __init__(
        self,
        *children: *tuple[*tuple[Child, ...], Element[T_co]],
        id: str | None = None,
        label: str | None = None,
    ) -> None: ...
    @overload
    def __init__(self: "Sequence[Any]", *children: Child, id: str | None = None, label: str | None = None) -> None: ...
    def __init__(  # type: ignore[misc] # mypy takes no implementation for a last argument of its own type
        self, *children: Any, id: str | None = None, label: str | None = None
    ) -> None:
        super().__init__(id, label)
        self.children = tuple(checked_child(child, self) for child in children)

    @property
    def output_schema(self) -> Schema | None:
        """The type of its last child's output."""
        return schema_of(self.children[-1]) if self.children else None

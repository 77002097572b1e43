"""Group: a child whose ids are told apart from those of others by a name before them."""

from typing import Any, TypeVar, overload

from smithersd.elements.container import Container, checked_child
from smithersd.elements.element import Child, Element, Lazy, schema_of
from smithersd.elements.values.schema import Schema

T_co = TypeVar("T_co", covariant=True)


class Group(Container[T_co]):
    """A child under a name: the ids of what is inside begin with it, as in `eu/deploy`.

    So one function can make the same nodes several times. Inside, a reference by id means the nearest of that name, the
    group's own before those around it; from outside a node is named in full. The group's output is its child's.

    Examples:
        >>> from smithersd import Parallel, Sequence, Shell
        >>> def rollout(region):
        ...     deploy = Shell("deploy", ["deploy", region])
        ...     return Sequence(deploy, Shell("verify", ["verify", region], depends_on="deploy"))
        >>> both = Parallel(*(Group(region, rollout(region)) for region in ("eu", "us")))
    """

    __slots__ = ("child",)

    kind = "group"

    id: str

    @overload
    def __init__(self, id: str, child: Element[T_co], *, label: str | None = None) -> None: ...
    @overload
    def __init__(self: "Group[Any]", id: str, child: Lazy, *, label: str | None = None) -> None: ...
    def __init__(self, id: str, child: Child, *, label: str | None = None) -> None:
        super().__init__(id, label)
        self.child = checked_child(child, self)

    @property
    def output_schema(self) -> Schema | None:
        """The type of its child's output."""
        return schema_of(self.child)

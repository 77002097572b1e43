"""The base classes of all elements, and of nodes: an id, a condition, dependencies and an output schema."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeGuard, TypeVar

from smithersd.elements.call.functions import is_plain
from smithersd.elements.not_a_value import NotAValue
from smithersd.elements.texts import checked_id, checked_text, plain_text, shown
from smithersd.elements.values.schema import Schema
from smithersd.errors import WorkflowError
from smithersd.limits import LABEL_BYTES_MAX

if TYPE_CHECKING:
    from smithersd.elements.context import Context

T_co = TypeVar("T_co", covariant=True)


class Element(NotAValue, Generic[T_co]):
    """A part of a workflow's tree; generic in the type of its output.

    Each rendering makes new elements. An element equals only itself; its id says that it is the same as one of an
    earlier rendering.
    """

    __slots__ = ("id",)

    kind: ClassVar[str]

    def __init__(self, id: str | None) -> None:
        self.id = None if id is None else checked_id(id, self.kind)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


Lazy = Callable[["Context[Any]"], "Element[Any]"]
"""A lazy subtree: a function of the context that is rendered when the flow reaches it."""

Child = Element[Any] | Lazy
"""What can be a child in the tree: an element or a lazy subtree."""

Reference = str | Element[Any]
"""Names a node: its element or its id."""

References = Reference | list[Reference] | tuple[Reference, ...]
"""One reference or several."""

Condition = bool | Callable[["Context[Any]"], bool]
"""A bool, or a function of the context that is called when the flow reaches the element."""


class Node(Element[T_co]):
    """An element with a state of its own: it starts or waits, and ends with or without an output."""

    __slots__ = ("depends_on", "label", "schema", "skip_if")

    id: str
    schema: Schema

    def __init__(self, id: str, *, label: str | None, skip_if: Condition, depends_on: References) -> None:
        super().__init__(id)
        check_condition(skip_if, "skip_if", self)
        self.label = checked_text(label, f"The label of {self.kind} {self.id!r}", bytes_max=LABEL_BYTES_MAX)
        self.skip_if = skip_if
        self.depends_on = _references(depends_on, self)

    @property
    def has_plain_arguments(self) -> bool:
        """Whether its arguments may be more than outputs of nodes, such as a value that the rendering has read."""
        return False

    def inputs(self) -> "Iterator[Element[Any]]":
        """Yield the nodes whose outputs are among its arguments."""
        yield from ()

    def references(self) -> Iterator[Reference]:
        """Yield what must have ended before this node starts: its inputs and depends_on."""
        yield from self.inputs()
        yield from self.depends_on


def check_condition(condition: object, name: str, element: Element[Any]) -> None:
    """Check that a condition is a bool or a plain function of the context; `name` is the option's.

    Raises:
        WorkflowError: it is neither.
    """
    if isinstance(condition, bool) or (callable(condition) and is_plain(condition)):
        return
    what = "an async or generator function" if callable(condition) else shown(condition)
    raise WorkflowError(
        f"{name} of {element.kind} {element.id!r} is {what}.",
        remedy=f"Make {name} a bool, or a plain function of the context that returns one.",
    )


def reference_id(reference: Reference) -> str | None:
    """Return the id that a reference names; None for an element without an id of its own."""
    return reference if isinstance(reference, str) else reference.id


def is_child(value: object) -> TypeGuard[Child]:
    """Return whether a value can be a child in the tree, as far as that is known without calling it."""
    return isinstance(value, Element) or callable(value)


def _references(depends_on: References, node: Node[Any]) -> tuple[Reference, ...]:
    references = depends_on if isinstance(depends_on, (list, tuple)) else (depends_on,)
    return tuple(_reference(reference, node) for reference in references)


def _reference(reference: object, node: Node[Any]) -> Reference:
    if isinstance(reference, Element):
        return reference
    if isinstance(reference, str):
        return plain_text(reference)
    raise WorkflowError(
        f"depends_on of {node.kind} {node.id!r} has {shown(reference)}, which is neither an element nor an id.",
        remedy="Give the elements, or their ids.",
    )

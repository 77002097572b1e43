"""The base classes of all elements, and of nodes: an id, a condition, dependencies and an output schema."""

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeGuard, TypeVar

from smithersd.elements.call.functions import is_plain
from smithersd.elements.not_a_value import NotAValue
from smithersd.elements.texts import checked_id, checked_text, plain_text, shown
from smithersd.elements.value import Value, checked_function
from smithersd.elements.values.schema import Schema
from smithersd.errors import WorkflowError
from smithersd.limits import LABEL_BYTES_MAX

if TYPE_CHECKING:
    from smithersd.elements.context import Context

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class Element(NotAValue, Generic[T_co]):
    """A part of a workflow's tree; generic in the type of its output.

    Each rendering makes new elements. An element equals only itself; its id says that it is the same as one of an
    earlier rendering.
    """

    __slots__ = ("id",)

    not_a_value = "an element is not its output"

    kind: ClassVar[str]

    def __init__(self, id: str | None) -> None:
        self.id = None if id is None else checked_id(id, self.kind)

    def map(self, function: Callable[[T_co], U]) -> Value[U]:
        """Return what a pure function makes of the output: a `Value`, to be given wherever the element can be.

        Raises:
            WorkflowError: it is no function, or an async one, or the element has no output.
        """
        if self.output_schema is None:
            raise WorkflowError(
                f"{self!r}.map has nothing to make a value of: a {self.kind} has no output.",
                remedy="Make it of a task inside it.",
            )
        return Value(self, (checked_function(function, repr(self)),))

    @property
    def output_schema(self) -> Schema | None:
        """The type of its output, as far as that is known before it is rendered; None where it has none."""
        return None

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

ANYTHING = Schema(Any)
"""The type of an output of which nothing is known."""

Condition = bool | Element[bool] | Value[bool] | Callable[["Context[Any]"], bool]
"""A bool; an element whose output is one, or a value made of an output; or a function of the context.

It is evaluated when the flow reaches what it belongs to, which depends on the element.
"""


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
    def output_schema(self) -> Schema:
        """The type of its output."""
        return self.schema

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
        yield from sources_of(self.skip_if)


def sources_of(given: object) -> "Iterator[Element[Any]]":
    """The element that is given as what it puts out, or of whose output a given value is made, if it is either."""
    if isinstance(given, Element):
        yield given
    elif isinstance(given, Value):
        yield given.source


def check_condition(condition: object, name: str, element: Element[Any]) -> None:
    """Check that a condition may be a bool, now or when the flow reaches it; `name` is the option's.

    Raises:
        WorkflowError: it can never be one.
    """
    problem = _condition_problem(condition)
    if problem is not None:
        raise WorkflowError(
            f"{name} of {element.kind} {element.id!r} is {problem}.",
            remedy=f"Make {name} a bool, a task that returns one, task.map(function), "
            "or a plain function of the context that returns one.",
        )


def _condition_problem(condition: object) -> str | None:
    match condition:
        case bool() | Value():
            return None
        case Element():
            if condition.output_schema is None:
                return f"{condition!r}, which has no output"
            is_never_bool = _is_never_bool(condition.output_schema.type)
            return f"the output of {condition!r}, which is not a bool" if is_never_bool else None
        case _ if callable(condition):
            return None if is_plain(condition) else "an async or generator function"
        case _:
            return shown(condition)


def _is_never_bool(annotation: Any) -> bool:
    """Return whether it is certain that no value of a type is a bool."""
    is_class = inspect.isclass(annotation) and annotation.__module__ != "typing"
    return annotation is None or (is_class and annotation not in bool.__mro__)


def reference_id(reference: Reference) -> str | None:
    """Return the id that a reference names; None for an element without an id of its own."""
    return reference if isinstance(reference, str) else reference.id


def schema_of(child: Child) -> Schema | None:
    """Return the type of a child's output; None if it has none. That of a lazy subtree is not known yet."""
    return child.output_schema if isinstance(child, Element) else ANYTHING


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

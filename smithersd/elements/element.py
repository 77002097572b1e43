"""What every element has: a place in the tree, and for nodes an id, a condition, dependencies and an output schema."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from smithersd.config import LABEL_BYTES_MAX, NODE_ID_LENGTH_MAX
from smithersd.elements.kinds import NodeKind
from smithersd.elements.schema import Schema
from smithersd.errors import WorkflowError

if TYPE_CHECKING:
    from smithersd.elements.context import Context

T_co = TypeVar("T_co", covariant=True)

POSITION_MARK = "@"
"""Begins the ids that elements without one get from their position; no author's id begins with it."""

_SHOWN_LENGTH_MAX = 60


class Element(Generic[T_co]):
    """A piece of a workflow's tree; generic in the output that it leaves behind.

    Elements are made anew by each rendering and compared by nothing but their ids.
    """

    __slots__ = ("id",)

    kind: ClassVar[str]

    def __init__(self, id: str | None) -> None:
        if id is not None:
            check_id(id, self.kind)
        self.id = id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


Lazy = Callable[["Context[Any]"], "Element[Any]"]
"""A lazy subtree: a function of the context that is rendered when the flow reaches it."""

Child = Element[Any] | Lazy
"""What can stand wherever an element can stand."""

Reference = str | Element[Any]
"""Names a node: its element or its id."""

References = Reference | list[Reference] | tuple[Reference, ...]
"""One reference or several."""

Condition = bool | Callable[["Context[Any]"], bool]
"""A bool, or a function of the context that is judged when the flow reaches the element."""


class Node(Element[T_co]):
    """An element with state of its own: it starts or waits, and ends with or without an output."""

    __slots__ = ("depends_on", "label", "schema", "skip_if")

    node_kind: ClassVar[NodeKind]
    id: str

    def __init__(
        self, id: str, *, label: str | None, skip_if: Condition, depends_on: References, schema: Schema
    ) -> None:
        super().__init__(id)
        check_text(label, f"The label of {self.kind} {id!r}", bytes_max=LABEL_BYTES_MAX)
        check_condition(skip_if, "skip_if", self)
        self.label = label
        self.skip_if = skip_if
        self.depends_on = _references(depends_on, self)
        self.schema = schema

    def references(self) -> Iterator[Reference]:
        """Everything that must have ended before this node is due."""
        yield from self.depends_on


def check_text(text: object, what: str, *, bytes_max: int) -> None:
    """Refuse what is neither None nor a text for people that every store and client can hold.

    Raises:
        WorkflowError: naming it, and the rule.
    """
    if text is None:
        return
    if not isinstance(text, str):
        raise WorkflowError(f"{what} is {text!r}.", remedy="Give a text.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise WorkflowError(f"{what} holds half a surrogate pair.", remedy="Give a text that is UTF-8.") from None
    if size > bytes_max:
        raise WorkflowError(
            f"{what} has {size} bytes; at most {bytes_max} are kept.", remedy="Let a task put out what is longer."
        )


def check_id(id: object, kind: str) -> None:
    """Refuse what cannot be an id: 1 to 200 printable characters, not "." or "..", not beginning with "@".

    Raises:
        WorkflowError: naming the element and the rule.
    """
    problem = _id_problem(id)
    if problem is not None:
        remedy = f"Give the {kind} an id of 1 to {NODE_ID_LENGTH_MAX} printable characters, such as {kind + '-1'!r}."
        raise WorkflowError(f"The {kind} id {_shortened(id)} {problem}.", remedy=remedy)


def _id_problem(id: object) -> str | None:  # noqa: PLR0911 - one line a rule
    if not isinstance(id, str):
        return f"is of type {type(id).__name__}, not a text"
    if not id:
        return "is empty"
    if len(id) > NODE_ID_LENGTH_MAX:
        return f"is {len(id)} characters long (at most {NODE_ID_LENGTH_MAX})"
    if not id.isprintable():
        return "holds characters that cannot be printed"
    if id in {".", ".."}:
        return "is a path's name for a folder"
    if id.startswith(POSITION_MARK):
        return f'begins with "{POSITION_MARK}", the mark of the ids that containers get from their place'
    return None


def _shortened(id: object) -> str:
    text = repr(id)
    return text if len(text) <= _SHOWN_LENGTH_MAX else text[:_SHOWN_LENGTH_MAX] + "..."


def check_condition(condition: object, name: str, element: Element[Any]) -> None:
    """Refuse a condition that is neither a bool nor a function of the context."""
    if isinstance(condition, bool) or callable(condition):
        return
    raise WorkflowError(
        f"{name} of {element.kind} {element.id!r} is {condition!r}.",
        remedy=f"Make {name} a bool, or a function of the context that returns one.",
    )


def _references(depends_on: References, node: Node[Any]) -> tuple[Reference, ...]:
    several = depends_on if isinstance(depends_on, (list, tuple)) else (depends_on,)
    for one in several:
        if not isinstance(one, (str, Element)):
            raise WorkflowError(
                f"depends_on of {node.kind} {node.id!r} holds {one!r}.",
                remedy="Name what it depends on by element or by id.",
            )
    return tuple(several)

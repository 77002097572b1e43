"""What the elements that hold others share: a label, and checked children."""

from typing import Any, TypeVar

from smithersd.elements.call.functions import is_plain
from smithersd.elements.element import Child, Element
from smithersd.elements.texts import checked_text, shown
from smithersd.errors import WorkflowError
from smithersd.limits import LABEL_BYTES_MAX

T_co = TypeVar("T_co", covariant=True)


class Container(Element[T_co]):
    """An element that holds others; `label` is its name in what people read."""

    __slots__ = ("label",)

    def __init__(self, id: str | None, label: str | None) -> None:
        super().__init__(id)
        name = self.kind if self.id is None else f"{self.kind} {self.id!r}"
        self.label = checked_text(label, f"The label of {name}", bytes_max=LABEL_BYTES_MAX)


def checked_limit(value: object, what: str) -> int | None:
    """Return a max_concurrency: None, or a whole number of at least 1; `what` names its owner in the error.

    Raises:
        WorkflowError: it is neither.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise WorkflowError(
        f"max_concurrency of {what} is {value!r}.", remedy="Give a whole number of at least 1, or None."
    )


def checked_child(child: object, parent: Element[Any]) -> Child:
    """Return a child of a container: an element, or a plain function of the context (a lazy subtree).

    Raises:
        WorkflowError: it is neither.
    """
    if isinstance(child, Element) or (callable(child) and is_plain(child)):
        return child
    what = f"{shown(child)}, which is not an element"
    remedy = "Give elements, or functions of the context that return one."
    if callable(child):
        what = f"{_name(child)}, an async or generator function"
        remedy = f"To run it, make it a task: Task(id, {_name(child)}). A lazy subtree is a plain function."
    elif isinstance(child, (list, tuple)):
        remedy = f"Unpack the list: {type(parent).__name__}(*children)."
    name = "" if parent.id is None else f" {parent.id!r}"
    raise WorkflowError(f"A child of {parent.kind}{name} is {what}.", remedy=remedy)


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)

"""What the elements share that hold others: a label, and what may stand inside."""

from typing import Any

from smithersd.elements.call.functions import is_plain
from smithersd.elements.element import Child, Element
from smithersd.elements.texts import checked_text, shown
from smithersd.errors import WorkflowError
from smithersd.limits import LABEL_BYTES_MAX


class Container(Element[None]):
    """An element around others; `label` names it for people."""

    __slots__ = ("label",)

    def __init__(self, id: str | None, label: str | None) -> None:
        super().__init__(id)
        name = self.kind if self.id is None else f"{self.kind} {self.id!r}"
        self.label = checked_text(label, f"The label of {name}", bytes_max=LABEL_BYTES_MAX)


def checked_limit(value: object, what: str) -> int | None:
    """Refuse a max_concurrency that is neither None nor a whole number from 1."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise WorkflowError(f"max_concurrency of {what} is {value!r}.", remedy="Give a whole number from 1, or None.")


def checked_child(child: object, parent: Element[Any]) -> Child:
    """Refuse what cannot stand in a tree."""
    if isinstance(child, Element) or (callable(child) and is_plain(child)):
        return child
    what = f"{shown(child)}, which is not an element"
    remedy = "Put elements there, or functions of the context that return one."
    if callable(child):
        what = f"{_name(child)}, an async or generator function"
        remedy = f"For what it does put a task there: Task(id, {_name(child)}). A lazy subtree is a plain function."
    elif isinstance(child, (list, tuple)):
        remedy = f"Spread the list: {type(parent).__name__}(*children)."
    name = "" if parent.id is None else f" {parent.id!r}"
    raise WorkflowError(f"A child of {parent.kind}{name} is {what}.", remedy=remedy)


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)

"""Sequence, Parallel and Branch: the order of things. Only a branch has state of its own: what was decided."""

from typing import Any, Self

from smithersd.elements.element import Child, Condition, Element, check_condition
from smithersd.elements.functions import is_plain
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


class Sequence(Container):
    """Children one after another; it ends with its last child.

    Examples:
        >>> from smithersd import Task
        >>> steps = Sequence(Task("one", print, "1"), Task("two", print, "2"), label="Both steps")
    """

    __slots__ = ("children",)

    kind = "sequence"

    def __init__(self, *children: Child, id: str | None = None, label: str | None = None) -> None:
        super().__init__(id, label)
        self.children = tuple(checked_child(child, self) for child in children)


class Parallel(Container):
    """Children side by side; it ends when all of them have ended.

    `max_concurrency` limits how many attempts inside run at once (within the run's own limit).

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


class Branch(Container):
    """One of two ways: `then` when the condition is true, else `otherwise` (nothing, when there is none).

    The condition is judged once, when the flow reaches the branch; the way not taken yields no nodes. The decision
    belongs to the id: it stands wherever the branch is in the tree.

    Examples:
        >>> from smithersd import Task
        >>> check = Task("check", lambda: 7)
        >>> branch = Branch("high?", lambda ctx: ctx.output(check) > 5, then=Task("alarm", print, "high"))
    """

    __slots__ = ("otherwise", "then", "when")

    kind = "branch"

    id: str

    def __new__(cls, *arguments: object, **_: object) -> Self:
        """Say first that the id is missing, which a complaint about the other arguments would hide."""
        if arguments and not isinstance(arguments[0], str):
            raise WorkflowError(
                f"A branch begins with its id, not with {_told(arguments[0])}.",
                remedy='Name what it decides: Branch("large?", when, then, otherwise). Its decision is kept by it.',
            )
        return super().__new__(cls)

    def __init__(
        self, id: str, when: Condition, then: Child, otherwise: Child | None = None, *, label: str | None = None
    ) -> None:
        super().__init__(id, label)
        check_condition(when, "when", self)
        self.when = when
        self.then = checked_child(then, self)
        self.otherwise = None if otherwise is None else checked_child(otherwise, self)


def checked_limit(value: object, what: str) -> int | None:
    """Refuse a max_concurrency that is neither None nor a whole number from 1."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise WorkflowError(f"max_concurrency of {what} is {value!r}.", remedy="Give a whole number from 1, or None.")


def _told(value: object) -> str:
    return "a function" if callable(value) else shown(value)


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

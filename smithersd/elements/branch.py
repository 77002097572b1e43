"""Branch: one of two ways. It is the only container with state of its own: what was decided."""

from typing import Self

from smithersd.elements.container import Container, checked_child
from smithersd.elements.element import Child, Condition, check_condition
from smithersd.elements.texts import shown
from smithersd.errors import WorkflowError


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


def _told(value: object) -> str:
    return "a function" if callable(value) else shown(value)

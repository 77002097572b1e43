"""Branch: one of two subtrees. It is the only container with state of its own: which one was chosen."""

from collections.abc import Iterator
from typing import Any, Self

from smithersd.elements.container import Container, checked_child
from smithersd.elements.element import ANYTHING, Child, Condition, Element, check_condition, sources_of
from smithersd.elements.texts import shown
from smithersd.elements.values.schema import Schema
from smithersd.errors import WorkflowError


class Branch(Container[Any]):
    """Run `then` if the condition is true, else `otherwise`, if there is one.

    The condition is evaluated once, when the flow reaches the branch; the child that was not chosen yields no nodes.
    The choice is kept by the branch's id, wherever in the tree a later rendering puts the branch. An element as the
    condition, or a value made of its output by `.map`, is waited for. The branch's output is
    that of the child that was chosen.

    Examples:
        >>> from smithersd import Task
        >>> check = Task("check", lambda: 7)
        >>> branch = Branch("high?", check.map(lambda found: found > 5), then=Task("alarm", print, "high"))
    """

    __slots__ = ("otherwise", "then", "when")

    kind = "branch"

    id: str

    def __new__(cls, *arguments: object, **_: object) -> Self:
        """Check the id first: otherwise a missing id is reported as an error of the other arguments."""
        if arguments and not isinstance(arguments[0], str):
            raise WorkflowError(
                f"The first argument of a branch is its id, not {_name_of(arguments[0])}.",
                remedy='Name the question: Branch("large?", when, then, otherwise). The choice is kept by this id.',
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

    def references(self) -> Iterator[Element[Any]]:
        """What must have ended before it is decided."""
        yield from sources_of(self.when)

    @property
    def output_schema(self) -> Schema:
        """Not known before the way is taken."""
        return ANYTHING


def _name_of(value: object) -> str:
    return "a function" if callable(value) else shown(value)

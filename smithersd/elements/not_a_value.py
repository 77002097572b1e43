"""An element is not its output: using it as a value raises, where Python would silently do something wrong.

The same holds for a `Value`, which is made of an output that is still to come.

The operators are set on the class by name, so type checkers do not see them and report each use.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from smithersd.errors import WorkflowError

_DECIDE_REMEDY = (
    "Use it in a Branch(id, task.map(lambda output: ...), then, otherwise), or ctx.output in a lazy subtree; "
    "compare with None by `is None`."
)
_USE_REMEDY = "Pass it, or .map(lambda output: ...), as an argument of a task, or read ctx.output in a lazy subtree."
_TEXT_REMEDY = f"{_USE_REMEDY} repr() shows the element itself."

_TESTED = {
    "__bool__": "used as a condition",
    "__contains__": "searched with `in`",
    **dict.fromkeys(("__lt__", "__le__", "__gt__", "__ge__"), "compared"),
}
_USED = {
    "__iter__": "iterated over",
    "__len__": "given to len()",
    "__getitem__": "indexed",
    **dict.fromkeys(("__neg__", "__pos__", "__invert__", "__abs__"), "used in a calculation"),
    **{
        f"__{side}{operator}__": "used in a calculation"
        for operator in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow")
        for side in ("", "r")
    },
    **{
        f"__{side}{operator}__": "combined with an operator"
        for operator in ("and", "or", "xor", "lshift", "rshift")
        for side in ("", "r")
    },
}
_WRITTEN = {"__format__": "formatted into a text", "__str__": "converted to a text"}


class NotAValue:
    """A placeholder of an output that does not exist yet. It equals only itself; comparing it with a value raises."""

    __slots__ = ()

    not_a_value: ClassVar[str]
    """What it is, and what it is not, as a message says it."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NotAValue):
            return self is other
        raise _used_as_value(self, "compared", _DECIDE_REMEDY)

    def __hash__(self) -> int:
        return object.__hash__(self)


def _used_as_value(element: NotAValue, use: str, remedy: str) -> WorkflowError:
    return WorkflowError(f"{element!r} was {use}, but {element.not_a_value}.", remedy=remedy)


def _refusing(use: str, remedy: str) -> Callable[..., NoReturn]:
    def refuse(self: NotAValue, *_: Any) -> NoReturn:
        raise _used_as_value(self, use, remedy)

    return refuse


for _uses, _remedy in ((_TESTED, _DECIDE_REMEDY), (_USED, _USE_REMEDY), (_WRITTEN, _TEXT_REMEDY)):
    for _name, _use in _uses.items():
        setattr(NotAValue, _name, _refusing(_use, _remedy))

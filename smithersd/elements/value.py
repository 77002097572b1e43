"""Value: what a function makes of a node's output, wherever the output itself could be given."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from smithersd.author_errors import text_of, with_place
from smithersd.elements.call.functions import is_plain
from smithersd.elements.not_a_value import NotAValue
from smithersd.elements.texts import shown
from smithersd.errors import ValueFailed, WorkflowError

if TYPE_CHECKING:
    from smithersd.elements.element import Element

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class Value(NotAValue, Generic[T_co]):
    """What a function makes of an element's output: `element.map(function)`.

    It stands wherever the element can be given, and what is given it comes after the element. The function is pure: it
    is called each time that the value is needed, with a copy of the output for that call alone. Of an element that
    ended without an output the value is None, like that output.

    Examples:
        >>> from smithersd import Sequence, Shell, Task
        >>> size = Shell("size", "du -s build")
        >>> steps = Sequence(size, Task("tell", print, size.map(str.split).map(lambda words: words[0])))
    """

    __slots__ = ("functions", "source")

    not_a_value = "what is made of an output is not here yet"

    def __init__(self, source: "Element[Any]", functions: tuple[Callable[[Any], Any], ...]) -> None:
        self.source = source
        self.functions = functions

    def map(self, function: Callable[[T_co], U]) -> "Value[U]":
        """Return what a pure function makes of this value.

        Raises:
            WorkflowError: it is no function, or an async one.
        """
        return Value(self.source, (*self.functions, checked_function(function, repr(self))))

    def of(self, output: Any) -> T_co:
        """Call the functions with the output, which is theirs alone.

        Raises:
            ValueFailed: one raised, or returned what is still to come.
        """
        value = output
        for function in self.functions:
            value = self._called(function, value)
        made: T_co = value
        return made

    def _called(self, function: Callable[[Any], Any], value: Any) -> Any:
        what = f"The value {self!r} could not be made: {function_name(function)}"
        try:
            made = function(value)
        except (Exception, SystemExit) as error:
            raise ValueFailed(with_place(f"{what} raised {type(error).__name__}: {text_of(error)}", error)) from error
        if inspect.iscoroutine(made):
            made.close()
            raise ValueFailed(f"{what} returned a coroutine; waiting is for tasks.")
        if isinstance(made, NotAValue):
            raise ValueFailed(f"{what} returned {made!r}, which is no value yet.")
        return made

    @property
    def steps(self) -> str:
        """How it is made of the output, as the author writes it: ".map(f)"."""
        return "".join(f".map({function_name(function)})" for function in self.functions)

    def __repr__(self) -> str:
        return f"{self.source!r}{self.steps}"


def function_name(function: Callable[..., Any]) -> str:
    """Name a function, the same in every process."""
    return str(getattr(function, "__qualname__", type(function).__qualname__)).rpartition(".<locals>.")[2]


def checked_function(function: object, of: str) -> Callable[[Any], Any]:
    """Refuse what cannot be called, and what would not return the value itself; `of` names what it is given.

    Raises:
        WorkflowError: it is either.
    """
    if callable(function) and is_plain(function):
        return function
    what = "an async or generator function" if callable(function) else shown(function)
    raise WorkflowError(
        f"The function of {of}.map is {what}.",
        remedy="Give a plain, pure function of the output; for what waits or may fail put a task there.",
    )

"""Timer: wait for a span of time, or until a date."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from smithersd.elements.call.functions import is_plain
from smithersd.elements.element import Condition, Element, Node, References, sources_of
from smithersd.elements.options.duration import Duration, seconds
from smithersd.elements.texts import shown
from smithersd.elements.value import Value
from smithersd.elements.values.schema import Schema
from smithersd.errors import WorkflowError

if TYPE_CHECKING:
    from smithersd.elements.context import Context

_NOTHING = Schema(type(None))


class Timer(Node[None]):
    """Wait for a span of time, or until a date: `Timer(id, after)` or `Timer(id, until=...)`.

    `until` is a datetime with a time zone, or a function of the context that returns one. Either may be an element
    whose output is the time, or a value made of one by `.map`. The due time is computed once, when the flow reaches the
    timer, and kept in the log; a time that has passed is due at once. If the machine's clock is set meanwhile, `until`
    follows it and `after` does not. A timer counts towards no max_concurrency.

    Examples:
        >>> from datetime import UTC, datetime
        >>> from smithersd import Sequence, Task
        >>> steps = Sequence(
        ...     Timer("cool down", "90s"),
        ...     Timer("new year", until=datetime(2030, 1, 1, tzinfo=UTC), label="Wait for 2030"),
        ...     Task("greet", print, "Happy new year!"),
        ... )
        >>> pause = Task("pause", lambda: 90, output=int)
        >>> steps = Sequence(pause, Timer("as told", pause.map(lambda seconds: 2 * seconds)))
    """

    __slots__ = ("after", "until")

    kind = "timer"

    def __init__(
        self,
        id: str,
        after: Duration | Element[Duration] | Value[Duration] | None = None,
        *,
        until: "datetime | Element[datetime] | Value[datetime] | Callable[[Context[Any]], datetime] | None" = None,
        skip_if: Condition = False,
        depends_on: References = (),
        label: str | None = None,
    ) -> None:
        super().__init__(id, label=label, skip_if=skip_if, depends_on=depends_on)
        name = f"timer {self.id!r}"
        if (after is None) is (until is None):
            raise WorkflowError(
                f"{name} has {'no time' if after is None else 'two times'} to wait for.",
                remedy='Give one: Timer(id, "90s") or Timer(id, until=...).',
            )
        self.after = _checked_given(after, f"after of {name}", seconds)
        """How long, in seconds, or what will tell it."""
        self.until = until if _is_function(until) else _checked_given(until, f"until of {name}", checked_time)
        self.schema = _NOTHING

    def inputs(self) -> Iterator[Element[Any]]:
        """The element that tells the time."""
        yield from sources_of(self.after)
        yield from sources_of(self.until)


def checked_time(value: object, what: str) -> datetime:
    """Return a datetime with a time zone; `what` names it in the error.

    Raises:
        WorkflowError: the value is not a datetime, or has no time zone.
    """
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value
    what_it_is = f"{value.isoformat()}, which has no time zone" if isinstance(value, datetime) else shown(value)
    raise WorkflowError(
        f"{what} is {what_it_is}.", remedy="Give a datetime with a time zone: datetime(2030, 1, 1, tzinfo=UTC)."
    )


def _checked_given(value: Any, what: str, checked: Callable[[Any, str], Any]) -> Any:
    """What is given is checked here and now, what will be given when it is there; no element without an output."""
    if value is None or isinstance(value, Value):
        return value
    if isinstance(value, Element):
        if value.output_schema is not None:
            return value
        raise WorkflowError(f"{what} is {value!r}, which has no output.", remedy="Give a task that returns it.")
    return checked(value, what)


def _is_function(until: object) -> bool:
    return callable(until) and is_plain(until)

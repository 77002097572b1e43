"""Timer: wait for a span of time, or until a date."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from smithersd.elements.call.functions import is_plain
from smithersd.elements.element import Condition, Node, References
from smithersd.elements.options.duration import Duration, seconds
from smithersd.elements.texts import shown
from smithersd.elements.values.schema import Schema
from smithersd.errors import WorkflowError

if TYPE_CHECKING:
    from smithersd.elements.context import Context

_NOTHING = Schema(type(None))


class Timer(Node[None]):
    """Wait for a span of time, or until a date: `Timer(id, after)` or `Timer(id, until=...)`.

    `until` is a datetime with a time zone, or a function of the context that returns one. The due time is computed
    once, when the flow reaches the timer, and kept in the log; a time that has passed is due at once. If the machine's
    clock is set meanwhile, `until` follows it and `after` does not. A timer counts towards no max_concurrency.

    Examples:
        >>> from datetime import UTC, datetime
        >>> from smithersd import Sequence, Task
        >>> steps = Sequence(
        ...     Timer("cool down", "90s"),
        ...     Timer("new year", until=datetime(2030, 1, 1, tzinfo=UTC), label="Wait for 2030"),
        ...     Task("greet", print, "Happy new year!"),
        ... )
    """

    __slots__ = ("after_s", "until")

    kind = "timer"

    def __init__(
        self,
        id: str,
        after: Duration | None = None,
        *,
        until: "datetime | Callable[[Context[Any]], datetime] | None" = None,
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
        self.after_s = None if after is None else seconds(after, f"after of {name}")
        self.until = until if until is None or _is_function(until) else checked_time(until, f"until of {name}")
        self.schema = _NOTHING


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


def _is_function(until: object) -> bool:
    return callable(until) and is_plain(until)

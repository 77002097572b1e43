"""Durations as authors write them: seconds, or "1h30m"."""

import math
import re
from datetime import timedelta

from smithersd.errors import WorkflowError

Duration = float | int | str | timedelta
"""Seconds as a number, a text such as "90s", "1h30m" or "250ms", or a timedelta."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
DURATION_S_MAX = 10 * 365 * 86_400.0
"""Ten years in seconds: anything longer is taken for a mistake."""


def seconds(duration: Duration, what: str) -> float:
    """Convert a duration to seconds; `what` names it in the error.

    >>> seconds("1h30m", "timeout")
    5400.0

    Raises:
        WorkflowError: it is not a duration, or is negative, not finite or longer than ten years.
    """
    value = _parsed(duration)
    if value is None or not 0 <= value <= DURATION_S_MAX:
        raise WorkflowError(
            f"{what} is {duration!r}, which is not a duration.", remedy='Give seconds (90) or a text such as "1h30m".'
        )
    return value


def positive_s(duration: Duration, what: str) -> float:
    """Convert a duration that is not 0 to seconds; `what` names it in the error.

    Raises:
        WorkflowError: it is not a duration, or it is 0.
    """
    value_s = seconds(duration, what)
    if value_s == 0:
        raise WorkflowError(f"{what} is 0.", remedy="Give a positive duration, or None for no limit.")
    return value_s


def _parsed(duration: object) -> float | None:
    if isinstance(duration, bool):
        return None
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, (int, float)):
        return float(duration) if math.isfinite(duration) else None
    if isinstance(duration, str) and _WHOLE.fullmatch(duration):
        return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(duration))
    return None

"""The options that Task and Shell share."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from smithersd.elements.element import Condition, References
from smithersd.elements.kinds import Backoff
from smithersd.elements.options.duration import Duration, seconds
from smithersd.elements.options.retry import RetryPolicy
from smithersd.elements.texts import chosen
from smithersd.errors import WorkflowError
from smithersd.limits import RETRY_DELAY_S_DEFAULT, RETRY_MAX_DELAY_S_DEFAULT

RETRIES_MAX = 10_000


class TaskOptions(TypedDict, total=False):
    """The keyword options of `Task` and `Shell`. Durations are seconds or a text such as "1h30m"."""

    retries: int
    """Attempts after the first (0)."""
    retry_delay: Duration
    """The delay before a retry (1 second)."""
    backoff: Literal["fixed", "linear", "exponential"]
    """How that delay grows: `d`, `d*k` or `d*2^(k-1)` ("fixed")."""
    max_delay: Duration
    """What it grows to at most (5 minutes)."""
    jitter: float
    """The share of the delay, within 0 and 1, that chance may take off (0)."""
    timeout: Duration | None
    """How long one attempt may take; then it is ended and has failed (no limit)."""
    continue_on_fail: bool
    """Whether the flow goes on when the node has failed for good (False)."""
    skip_if: Condition
    """A bool or a function of the context, judged when the flow reaches the node (False)."""
    needs_approval: bool
    """Whether a person must approve before the first attempt (False)."""
    depends_on: References
    """Nodes that must have ended before, by element or id, beside those among the arguments."""
    output: Any
    """The output's type, instead of the function's return annotation."""
    label: str | None
    """The node's name for people."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """How a node's attempts are made: the checked form of the options that concern them."""

    retry: RetryPolicy
    timeout_s: float | None
    continues_on_fail: bool
    needs_approval: bool


_PLAIN = Attempts(RetryPolicy(), timeout_s=None, continues_on_fail=False, needs_approval=False)


def attempts_of(options: TaskOptions, node: str) -> Attempts:
    """Check the options that concern attempts; `node` ("task 'fix'") names the node in errors.

    Raises:
        WorkflowError: an unknown option, or a value that it cannot have.
    """
    if not options:
        return _PLAIN
    unknown = options.keys() - TaskOptions.__annotations__.keys()
    if unknown:
        raise WorkflowError(
            f"{node} has an unknown option {min(unknown)!r}.",
            remedy="A function's own keywords are bound with functools.partial; options are "
            + ", ".join(sorted(TaskOptions.__annotations__))
            + ".",
        )
    timeout = options.get("timeout")
    return Attempts(
        retry=_retry_policy(options, node),
        timeout_s=None if timeout is None else _positive_s(timeout, f"timeout of {node}"),
        continues_on_fail=_flag(options, "continue_on_fail", node),
        needs_approval=_flag(options, "needs_approval", node),
    )


def _retry_policy(options: TaskOptions, node: str) -> RetryPolicy:
    retries: object = options.get("retries", 0)
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= RETRIES_MAX:
        raise WorkflowError(
            f"retries of {node} is {retries!r}.", remedy=f"Give a whole number from 0 to {RETRIES_MAX}."
        )
    return RetryPolicy(
        retries=retries,
        delay_s=seconds(options.get("retry_delay", RETRY_DELAY_S_DEFAULT), f"retry_delay of {node}"),
        backoff=chosen(Backoff, options.get("backoff", "fixed"), f"backoff of {node}"),
        max_delay_s=seconds(options.get("max_delay", RETRY_MAX_DELAY_S_DEFAULT), f"max_delay of {node}"),
        jitter=_jitter(options.get("jitter", 0.0), node),
    )


def _jitter(value: object, node: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    raise WorkflowError(f"jitter of {node} is {value!r}.", remedy="Give a number from 0 to 1.")


def _positive_s(value: Duration, what: str) -> float:
    duration_s = seconds(value, what)
    if duration_s == 0:
        raise WorkflowError(f"{what} is 0.", remedy="Give a positive duration, or None for no limit.")
    return duration_s


def _flag(options: TaskOptions, name: Literal["continue_on_fail", "needs_approval"], node: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise WorkflowError(f"{name} of {node} is {value!r}.", remedy="Give True or False.")
    return value

"""The options that Task and Shell share."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from smithersd.elements.element import Condition, References
from smithersd.elements.kinds import Backoff
from smithersd.elements.options.duration import Duration, positive_s, seconds
from smithersd.elements.options.retry import RetryPolicy
from smithersd.elements.options.retry_on import RetryOn, retry_rule
from smithersd.elements.texts import chosen
from smithersd.errors import WorkflowError
from smithersd.limits import RETRY_DELAY_S_DEFAULT, RETRY_MAX_DELAY_S_DEFAULT

RETRIES_MAX = 10_000
"""The largest value of the option `retries`."""


class TaskOptions(TypedDict, total=False):
    """The keyword options of `Task` and `Shell`. Durations are seconds, a text such as "1h30m", or a timedelta.

    Examples:
        >>> from smithersd import Task
        >>> careful: TaskOptions = {"retries": 3, "backoff": "exponential", "timeout": "10m"}
        >>> task = Task("fetch", print, "https://example.org", **careful)
    """

    retries: int
    """How many attempts may follow a failed first one; default 0."""
    retry_on: RetryOn
    """Which errors are retried: a class, a tuple of classes, or a function of the error that returns a bool; of a shell
    also exit codes. Default: Exception, except an output that was refused."""
    retry_delay: Duration
    """The delay `d` before the first retry; default 1 second."""
    backoff: Literal["fixed", "linear", "exponential"]
    """The delay before retry k: `d`, `d*k` or `d*2^(k-1)`; default "fixed"."""
    max_delay: Duration
    """The longest delay before a retry; default 5 minutes."""
    jitter: float
    """The largest share of the delay, from 0 to 1, by which it is shortened at random; default 0."""
    timeout: Duration | None
    """How long one attempt may take; after that it is stopped and has failed. Default: no limit."""
    continue_on_fail: bool
    """Whether the flow continues after the node has failed for good; default False."""
    skip_if: Condition
    """A bool, an element or value that is one, or a function of the context, called when the flow reaches the node;
    default False."""
    needs_approval: bool
    """Whether a person must approve before the first attempt; default False."""
    depends_on: References
    """Elements, or their ids, that must have ended before, beside those among the arguments."""
    output: Any
    """The output's type, instead of the function's return annotation."""
    label: str | None
    """The node's name in what people read, instead of its id."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The options that concern a node's attempts, checked."""

    retry: RetryPolicy
    timeout_s: float | None
    continues_on_fail: bool
    needs_approval: bool


_PLAIN = Attempts(RetryPolicy(), timeout_s=None, continues_on_fail=False, needs_approval=False)


def attempts_of(options: TaskOptions, node: str, *, has_exit_code: bool = False) -> Attempts:
    """Check the options that concern attempts; `node` ("task 'fix'") names the node in errors.

    Only what `has_exit_code` may name exit codes in `retry_on`.

    Raises:
        WorkflowError: an unknown option, or a value that it cannot have.
    """
    if not options:
        return _PLAIN
    unknown = options.keys() - TaskOptions.__annotations__.keys()
    if unknown:
        raise WorkflowError(
            f"{node} has an unknown option {min(unknown)!r}.",
            remedy="Bind a function's own keywords with functools.partial. The options are "
            + ", ".join(sorted(TaskOptions.__annotations__))
            + ".",
        )
    timeout = options.get("timeout")
    return Attempts(
        retry=_retry_policy(options, node, has_exit_code=has_exit_code),
        timeout_s=None if timeout is None else positive_s(timeout, f"timeout of {node}"),
        continues_on_fail=_flag(options, "continue_on_fail", node),
        needs_approval=_flag(options, "needs_approval", node),
    )


def _retry_policy(options: TaskOptions, node: str, *, has_exit_code: bool) -> RetryPolicy:
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
        rule=retry_rule(options.get("retry_on", Exception), f"retry_on of {node}", has_exit_code=has_exit_code),
    )


def _jitter(value: object, node: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    raise WorkflowError(f"jitter of {node} is {value!r}.", remedy="Give a number from 0 to 1.")


def _flag(options: TaskOptions, name: Literal["continue_on_fail", "needs_approval"], node: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise WorkflowError(f"{name} of {node} is {value!r}.", remedy="Give True or False.")
    return value

"""Which errors are retried: the option `retry_on`, and the errors by which a task decides that itself."""

from collections.abc import Callable
from dataclasses import dataclass

from smithersd.author_errors import leaves_of, text_of
from smithersd.elements.call.functions import is_plain
from smithersd.elements.options.duration import Duration, seconds
from smithersd.elements.texts import shown
from smithersd.errors import InvalidOutput, ShellFailed, ValueFailed, WorkflowError

EXIT_CODE_MAX = 255

RetryOn = type[BaseException] | int | tuple[type[BaseException] | int, ...] | Callable[[BaseException], bool]
"""A class of errors, an exit code of a shell, a tuple of these, or a function that takes the error."""


class Permanent(Exception):
    """An error that is never retried, whatever `retry_on` says: another attempt could not succeed.

    Examples:
        >>> from smithersd import Permanent
        >>> def charge(card: str) -> str:
        ...     if card == "expired":
        ...         raise Permanent("card declined")
        ...     return "charged"
    """


class RetryAfter(Exception):
    """An error that is retried after a delay of its own: `raise RetryAfter("30s", "rate limited")`.

    It is retried whatever `retry_on` says, as long as the node has retries left. `max_delay` and `jitter` do not change
    the delay.

    Examples:
        >>> from smithersd import RetryAfter
        >>> def fetch(headers: dict[str, str]) -> str:
        ...     if "Retry-After" in headers:
        ...         raise RetryAfter(int(headers["Retry-After"]))
        ...     return "fetched"

    Raises:
        WorkflowError: the delay is not a duration.
    """

    delay_s: float | None = None
    """The delay in seconds; None: as the node's options say."""

    def __init__(self, delay: Duration, message: str = "") -> None:
        super().__init__(delay, message)
        self.delay_s = seconds(delay, "The delay of RetryAfter")

    def __str__(self) -> str:
        """Return the message, or the delay in words."""
        message = str(self.args[1]) if len(self.args) > 1 else ""
        return message or f"To be retried after {self.delay_s or 0:g} s."


_NEVER_RETRIED = (Permanent, ValueFailed)
"""Errors that another attempt would end with, too; a value is made by a pure function."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """The checked form of `retry_on`: classes of errors and exit codes, or a function."""

    errors: tuple[type[BaseException], ...] = (Exception,)
    exit_codes: frozenset[int] = frozenset()
    function: Callable[[BaseException], bool] | None = None

    @property
    def names(self) -> list[str]:
        """The names of what is retried; the same in every process."""
        if self.function is not None:
            return [f"{getattr(self.function, '__name__', type(self.function).__name__)}()"]
        return [*(error.__name__ for error in self.errors), *(f"exit code {code}" for code in sorted(self.exit_codes))]

    def accepts(self, error: BaseException) -> bool:
        """Return whether an error is worth another attempt; of a group every error must be.

        For an output that was refused, InvalidOutput itself must be named, or the function accept it: the work was
        done, and another attempt would do it twice.

        Raises:
            WorkflowError: the function raised, or returned what is not a bool.
        """
        leaves = list(leaves_of(error))
        if any(isinstance(leaf, _NEVER_RETRIED) for leaf in leaves):
            return False
        groups = tuple(named for named in self.errors if issubclass(named, BaseExceptionGroup))
        return isinstance(error, groups) or all(map(self._accepts_leaf, leaves))

    def _accepts_leaf(self, error: BaseException) -> bool:
        if isinstance(error, RetryAfter):
            return True
        if self.function is not None:
            return _answer(self.function, error)
        if isinstance(error, ShellFailed) and error.exit_code in self.exit_codes:
            return True
        named = self.errors
        if isinstance(error, InvalidOutput):
            named = tuple(error_class for error_class in named if issubclass(error_class, InvalidOutput))
        return isinstance(error, named)


def requested_delay_s(error: BaseException) -> float | None:
    """Return the delay that an error asks for, of a group the longest, in seconds; None if it asks for none."""
    delays_s = (leaf.delay_s for leaf in leaves_of(error) if isinstance(leaf, RetryAfter))
    return max((delay_s for delay_s in delays_s if delay_s is not None), default=None)


def retry_rule(value: object, what: str, *, has_exit_code: bool) -> RetryRule:
    """Check a `retry_on`; `what` names it in errors. Exit codes are for what `has_exit_code`.

    Raises:
        WorkflowError: it is neither classes of errors or exit codes, nor a plain function.
    """
    if not isinstance(value, type) and callable(value):
        if not is_plain(value):
            raise WorkflowError(
                f"{what} is an async or generator function.",
                remedy="Make it a plain function of the error that returns True or False.",
            )
        return RetryRule((), function=value)
    parts = value if isinstance(value, tuple) else (value,)
    for part in parts:
        _check_part(part, what, has_exit_code=has_exit_code)
    return RetryRule(
        tuple(part for part in parts if isinstance(part, type)),
        frozenset(part for part in parts if isinstance(part, int)),
    )


def _check_part(part: object, what: str, *, has_exit_code: bool) -> None:
    if isinstance(part, type) and issubclass(part, BaseException):
        return
    if isinstance(part, int) and not isinstance(part, bool):
        if has_exit_code and 1 <= part <= EXIT_CODE_MAX:
            return
        remedy = f"Give exit codes from 1 to {EXIT_CODE_MAX}." if has_exit_code else "Exit codes are for shells."
        raise WorkflowError(f"{what} holds {part}, which is not an exit code of it.", remedy=remedy)
    raise WorkflowError(
        f"{what} holds {shown(part)}, which is not a class of errors.",
        remedy="Give a class of errors, a tuple of them, or a function of the error that returns True or False.",
    )


def _answer(function: Callable[[BaseException], bool], error: BaseException) -> bool:
    about = f"when it was asked about {type(error).__name__}: {text_of(error)}"
    try:
        answer: object = function(error)
    except (Exception, SystemExit) as raised:
        raise WorkflowError(f"retry_on raised {type(raised).__name__}: {text_of(raised)}, {about}") from raised
    if not isinstance(answer, bool):
        raise WorkflowError(f"retry_on returned {shown(answer)}, which is not a bool, {about}")
    return answer

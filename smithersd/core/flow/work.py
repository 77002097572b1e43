"""What an attempt does, as an executor is given it: a function to call, or a command to run."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from smithersd.errors import ErrorInfo, InvalidOutput


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An author's function with its arguments; async functions run in the loop, plain ones in a thread.

    `bind` makes of both the call itself, in the place where the code runs: it reads stored outputs and copies
    arguments, and raises InvalidOutput when an output cannot be read. `is_large` says that it takes too long for the
    loop.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    bind: Callable[..., Callable[[], Any]] = functools.partial
    is_large: bool = False

    def bound(self) -> Callable[[], Any]:
        """Return the call.

        Raises:
            UnreadableArguments: a stored output cannot be read.
        """
        try:
            return self.bind(self.function, *self.args)
        except InvalidOutput as error:
            raise UnreadableArguments(ErrorInfo.of(error)) from error


class UnreadableArguments(Exception):
    """What a function was to be called with cannot be read."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class ShellCall:
    """A subprocess: text is given to `/bin/sh -c`, a tuple is executed as it is; `env` is added to ours.

    A stdout that is larger than an output may be fails the attempt if it `needs_whole_stdout`; else its end is kept.
    `tag` (`VARIABLE=VALUE`) joins the environment: whatever carries it ends with a command that is made to end.
    """

    command: str | tuple[str, ...]
    cwd: str | None
    env: Mapping[str, str]
    needs_whole_stdout: bool = False
    tag: str | None = None


Work = FunctionCall | ShellCall
"""What an attempt does."""

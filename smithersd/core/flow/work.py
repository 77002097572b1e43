"""What an executor has to do for an attempt: call a function, or run a command."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from smithersd.errors import ErrorInfo, InvalidOutput


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An author's function with its arguments; async functions run in the loop, plain ones in a thread.

    `bind` makes the call of both, where the code runs: it reads stored outputs and copies arguments, and raises
    InvalidOutput if an output cannot be read. `is_large` says that this takes too long for the event loop.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    bind: Callable[..., Callable[[], Any]] = functools.partial
    is_large: bool = False

    def bound(self) -> Callable[[], Any]:
        """Return the function with its arguments bound, ready to be called.

        Raises:
            UnreadableArguments: a stored output cannot be read.
        """
        try:
            return self.bind(self.function, *self.args)
        except InvalidOutput as error:
            raise UnreadableArguments(ErrorInfo.of(error)) from error


class UnreadableArguments(Exception):
    """The arguments of a function cannot be read."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class ShellCall:
    """A command: text is given to `/bin/sh -c`, a tuple is executed as it is; `env` is added to the environment.

    A stdout that is too large for an output fails the attempt if it `needs_whole_stdout`; else its end is kept. `tag`
    (`VARIABLE=VALUE`) is added to the environment: when the command is stopped, all processes with the tag are ended.
    """

    command: str | tuple[str, ...]
    cwd: str | None
    env: Mapping[str, str]
    needs_whole_stdout: bool = False
    tag: str | None = None


Work = FunctionCall | ShellCall
"""What an attempt does: one of the two."""

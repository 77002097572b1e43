"""Errors of a command: a line that says what happened, a line that says what to do, and an exit code of ours."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import indent
from typing import NoReturn

import click

from smithersd.cli.text.columns import wrapped
from smithersd.cli.text.phrases import one_line
from smithersd.daemon.launch.system_refusals import refusal_of
from smithersd.errors import MESSAGE_LENGTH_MAX, SmithersError
from smithersd.exit_codes import ExitCode, exit_code_of_error
from smithersd.posix.system_journal import is_journal, with_priority

_INDENT = "  "
_WIDTH_DEFAULT = 80
"""The width of a terminal that does not report its size, in cells."""


class ReaderLeft(Exception):
    """The reader of our output has closed the pipe, which is not an error (`smithers events | head`)."""


@contextmanager
def exiting(*, is_debugging: bool) -> Iterator[None]:
    """Print what a command raises as a message to stderr, and exit with its code."""
    streams = sys.stdout, sys.stderr
    try:
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams  # author code may have replaced them by streams that raise
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        _say(error.format_message(), _hint(error))
        sys.exit(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(ExitCode.INTERRUPTED)
    except (ReaderLeft, BrokenPipeError):
        # Discard what is buffered: flushing it at the interpreter's exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FINISHED)
    except OSError as error:
        _exit_refused(error, is_debugging=is_debugging)
    except SmithersError as error:
        if is_debugging:
            _print_error(traceback.format_exc().rstrip("\n"))
        _say(error.message, error.remedy)
        sys.exit(exit_code_of_error(error))
    except Exception:  # noqa: BLE001 - an internal error
        _exit_with_traceback()


def _exit_refused(error: OSError, *, is_debugging: bool) -> NoReturn:
    """Print what the operating system refused, or the traceback of an internal error, and exit."""
    if error.errno == errno.ENOSPC:
        _say("The output cannot be written: no space is left on the device.", None)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FAILED)
    refusal = refusal_of(error)
    if refusal is None or is_debugging:
        _exit_with_traceback()
    _say(refusal.message, refusal.remedy)
    sys.exit(exit_code_of_error(refusal))


def _exit_with_traceback() -> NoReturn:
    """Print the traceback of an internal error, and exit."""
    _print_error(traceback.format_exc().rstrip("\n"))
    sys.exit(ExitCode.ENGINE_FAILED)


def _say(message: str, remedy: str | None) -> None:
    lines = [f"smithers: {one_line(message, length_max=MESSAGE_LENGTH_MAX)}"]
    if remedy is not None:
        lines += indent(remedy, _INDENT).splitlines()
    for line in lines:
        _print_error("\n".join(_broken(line)))


def _print_error(text: str) -> None:
    print(with_priority(text, logging.ERROR) if is_journal(sys.stderr) else text, file=sys.stderr)


def _broken(line: str) -> list[str]:
    """Wrap a line for the terminal; entries of a list stay whole, since they may be commands to copy."""
    if not sys.stderr.isatty() or line.startswith(2 * _INDENT):
        return [line]
    indented = _INDENT if line.startswith(_INDENT) else ""
    width = os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH_DEFAULT
    return [indented + part for part in wrapped(line.removeprefix(indented), width - len(indented))]


def _hint(error: click.ClickException) -> str | None:
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return None
    return f"Try {error.ctx.command_path} --help."

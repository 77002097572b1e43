"""How a command fails: one line of what happened, one of what to do, and an exit code that is never click's own."""

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
"""Cells of a terminal that does not tell its size."""


class ReaderLeft(Exception):
    """Whoever read our output has left: that is no fault (`smithers events | head`)."""


@contextmanager
def exiting(*, is_debugging: bool) -> Iterator[None]:
    """Turn what a command raises into a message on stderr and an exit code."""
    streams = sys.stdout, sys.stderr
    try:
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams  # author code may have put others there, which raise
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        _say(error.format_message(), _hint(error))
        sys.exit(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(ExitCode.INTERRUPTED)
    except (ReaderLeft, BrokenPipeError):
        # What is still buffered goes nowhere, instead of failing once more at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FINISHED)
    except OSError as error:
        _exit_refused(error, is_debugging=is_debugging)
    except SmithersError as error:
        if is_debugging:
            _print_error(traceback.format_exc().rstrip("\n"))
        _say(error.message, error.remedy)
        sys.exit(exit_code_of_error(error))
    except Exception:  # noqa: BLE001 - a fault of ours
        _exit_with_traceback()


def _exit_refused(error: OSError, *, is_debugging: bool) -> NoReturn:
    """Say what the operating system refused, or show a fault of ours."""
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
    """Show all that there is of a fault of ours, and exit with its code."""
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
    """A line as a terminal shows it best; entries of a list, and commands in it, stay whole."""
    if not sys.stderr.isatty() or line.startswith(2 * _INDENT):
        return [line]
    indented = _INDENT if line.startswith(_INDENT) else ""
    width = os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH_DEFAULT
    return [indented + part for part in wrapped(line.removeprefix(indented), width - len(indented))]


def _hint(error: click.ClickException) -> str | None:
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return None
    return f"Try {error.ctx.command_path} --help."

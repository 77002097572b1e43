"""The `smithers` command group, and how a command is run: its streams and its exit code."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import click

from smithersd.cli.failures import ReaderLeft, exiting
from smithersd.cli.terminal.streams import blocking_stream
from smithersd.exit_codes import ExitCode
from smithersd.posix.process.init_process import split_from_process_1
from smithersd.posix.process.signal_state import reset_inherited_signals

_COMMANDS = (
    *("up", "down", "approve", "deny", "signal", "fire", "cancel", "serve"),
    *("ps", "inspect", "waits", "events", "logs", "graph", "prune", "backup", "systemd"),
)
"""The commands in the order in which --help lists them; each is `command` of the module of its name."""


class _Commands(click.Group):
    """A group that imports a command only when it is used: `smithers ps` needs no web server."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"smithersd.cli.commands.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn a closed pipe into `ReaderLeft`, since click would report it as a failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeft from error


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="smithersd", prog_name="smithers", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Add the traceback to an error.")
@click.pass_context
def smithers(context: click.Context, *, debug: bool) -> None:
    """Run durable workflows as services: start, watch, approve, stop and resume them."""
    context.obj = debug
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(ExitCode.USAGE)


def run(arguments: list[str] | None) -> NoReturn:
    """Run a command, that of `sys.argv` if `arguments` is None, and exit with its code."""
    split_from_process_1()
    reset_inherited_signals()
    _open_missing_streams()
    _make_streams_block()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what the terminal's encoding lacks shows as a question mark
    given: dict[str, Any] = {"args": arguments, "prog_name": "smithers", "standalone_mode": False}
    with exiting(is_debugging="--debug" in (sys.argv[1:] if arguments is None else arguments)):
        code = smithers.main(**given) or ExitCode.FINISHED
        sys.stdout.flush()
        sys.exit(code)


def _make_streams_block() -> None:
    """Replace a non-blocking stdout or stderr (O_NONBLOCK), so that a slow reader loses nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(OSError, ValueError):  # one without a descriptor
            setattr(sys, name, blocking_stream(stream, stream.fileno()))


def _open_missing_streams() -> None:
    """Open /dev/null for each closed stream (`smithers ... >&-`)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the process exits

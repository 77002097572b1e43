"""What a person at a terminal sees, and --help."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

import click
import pytest

from smithersd.cli.group import smithers as group
from smithersd.core.states import NodeState
from tests.cli.conftest import DEADLINE_S, Said, run_flow

Smithers = Callable[..., Said]

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")
COMMANDS = group.list_commands(click.Context(group))


def on_terminal(*arguments: str, **environment: str) -> str:
    """Run a command on a terminal of its own; return what it wrote there."""
    controller, terminal = pty.openpty()
    inherited: Mapping[str, str] = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    environment = {**inherited, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **environment}
    command = [sys.executable, "-m", "smithersd", *arguments]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    parts = []
    with suppress(OSError):  # what a controller reads when the last of the other side has closed
        while part := os.read(controller, 65_536):
            parts.append(part)
    os.close(controller)
    assert process.wait(DEADLINE_S) == 0, b"".join(parts)
    return b"".join(parts).decode()


@pytest.mark.parametrize("command", ["ps", "inspect", "events"])
def test_a_terminal_gets_colours_unless_it_wants_none(command: str) -> None:
    run_flow("gate", "live-1")
    assert COLOUR.search(on_terminal(command))
    assert not COLOUR.search(on_terminal(command, NO_COLOR="1"))
    assert "\x1b" not in on_terminal(command, TERM="dumb")


def test_a_narrow_terminal_cuts_nothing() -> None:
    run_flow("gate", "live-1")
    written = on_terminal("ps", COLUMNS="40", NO_COLOR="1")
    assert "live-1" in written
    assert "smithers approve live-1 --node publish" in written
    assert "…" not in written


def test_a_terminal_without_unicode_gets_question_marks() -> None:
    run_flow("gate", "live-1")
    written = on_terminal("inspect", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert NodeState.WAITING_APPROVAL.value in written
    assert written.isascii()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_short_and_tells_of_every_flag(smithers: Smithers, command: str) -> None:
    said = smithers(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: smithers {command} [OPTIONS]")
    for line in said.out.splitlines():
        assert len(line) <= 80
        assert not re.fullmatch(r"  -\S+( \S+)?", line), f"{line!r} has no description"


def test_smithers_alone_lists_the_commands(smithers: Smithers) -> None:
    said = smithers()
    assert said.code == 4
    assert [line.split()[0] for line in said.out.split("Commands:\n")[1].splitlines()] == COMMANDS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "No such command 'nope'."),
        (("ps", "--nope"), "No such option"),
        (("ps", "x"), "Got unexpected extra argument (x)"),
        (("approve", "a", "b"), "Got unexpected extra argument (b)"),
        (("events", "--types"), "requires an argument"),
    ],
)
def test_a_slip_of_the_hand_is_a_usage_error(smithers: Smithers, arguments: tuple[str, ...], message: str) -> None:
    said = smithers(*arguments)
    assert (said.code, said.out) == (4, "")
    assert message in said.err
    assert said.err.startswith("smithers: ")


def test_debug_adds_the_traceback(smithers: Smithers) -> None:
    run_flow("quick", "run-1")
    assert "Traceback" not in smithers("inspect", "nope").err
    assert "Traceback" in smithers("inspect", "nope", "--debug").err
    assert "Traceback" in smithers("--debug", "inspect", "nope").err


@pytest.mark.parametrize("module", ["click", "pydantic", "smithersd.cli.ps"])
def test_ctrl_c_amid_the_imports_leaves_no_traceback(module: str) -> None:
    program = (
        "import sys\nclass Interrupt:\n    def find_spec(name, *_):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt)\nfrom smithersd.cli import main\nmain(['ps'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")

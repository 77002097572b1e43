"""What a person at a terminal sees, and --help."""

import re
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from rich.cells import cell_len

from smithersd.cli.group import smithers as group
from smithersd.core.log.states import NodeState, RunStatus
from tests.cli.conftest import FLOWS, Said, driving, kill, run_flow
from tests.cli.terminal.terminal import on_terminal, plain
from tests.support.waiting import DEADLINE_S

Smithers = Callable[..., Said]

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")
COMMANDS = group.list_commands(click.Context(group))


@pytest.mark.parametrize("command", ["ps", "inspect", "events"])
def test_a_terminal_gets_colours_unless_it_wants_none(command: str) -> None:
    run_flow("approval", "live-1")
    assert COLOUR.search(on_terminal(command))
    assert not COLOUR.search(on_terminal(command, NO_COLOR="1"))
    assert "\x1b" not in on_terminal(command, TERM="dumb")


@pytest.mark.parametrize(("columns", "lines"), [(40, 24), (80, 24), (120, 40)])
@pytest.mark.parametrize("command", ["ps", "ps --all", "inspect a-rel", "events a-rel", "graph {flow}"])
def test_on_no_terminal_a_word_is_broken(smithers: Smithers, command: str, columns: int, lines: int) -> None:
    run_flow("wide", "a-release-with-a-name-20261125-094138-uskq")
    run_flow("quick", "short")
    with driving("approval", "served", RunStatus.WAITING_APPROVAL, "--serve", "--port", "0") as process:
        arguments = [one.format(flow=f"{FLOWS}:wide") for one in command.split()]
        written = plain(on_terminal(*arguments, COLUMNS=str(columns), LINES=str(lines)))
        whole = smithers(*arguments)
        kill(process)
    heads = " started time pid up status workflow more lines a workflow file may print"
    words = {*(whole.out + whole.err + heads).replace(",", " ").split()}
    changing = re.compile(r"[\d.hms:]+")  # durations, and how many lines there are more
    broken = set(written.replace(",", " ").split()) - words
    assert [word for word in broken if not changing.fullmatch(word)] == []
    for line in written.splitlines():
        is_to_be_pasted = re.search(r"smithers |https?://", line) is not None
        has_long_word = any(cell_len(word) > columns - 8 for word in line.split())
        assert cell_len(line) <= columns or is_to_be_pasted or has_long_word, line


def test_ps_at_80_columns_has_url_and_waits_below_the_row_and_no_empty_column() -> None:
    run_id = "hitl-20261125-094138-uskq"
    with driving("approval", run_id, RunStatus.WAITING_APPROVAL, "--serve", "--port", "0"):
        written = plain(on_terminal("ps")).splitlines()
    heads, row, more, url, asks, *_ = (line.rstrip() for line in written)
    assert heads.split() == ["RUN", "WORKFLOW", "STATUS", "STARTED", "TIME", "PID"]
    assert row.split()[:3] == [run_id, "approval", "waiting-approval"]
    assert re.fullmatch(r"  up [\d.]+m?s", more)
    assert re.fullmatch(r"  http://127\.0\.0\.1:\d+", url)
    assert asks == "  publish asks: Publish it?"
    run_flow("quick", "ended")
    assert "PID" not in on_terminal("ps", "--all", "--limit", "1")


def test_a_terminal_without_unicode_gets_question_marks() -> None:
    run_flow("approval", "live-1")
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


@pytest.mark.parametrize("module", ["click", "pydantic", "smithersd.cli.commands.ps"])
def test_ctrl_c_amid_the_imports_leaves_no_traceback(module: str) -> None:
    program = (
        "import sys\nclass Interrupt:\n    def find_spec(name, *_):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt)\nfrom smithersd.cli import main\nmain(['ps'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")

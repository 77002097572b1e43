"""A start that fails says why, with its exit code, and leaves nothing: no process, pidfile, run, log or folder."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.support.daemons import DaemonPlace

APPROVAL = """
print("said at import")

@workflow
def waiting(ctx):
    if Path("broken").exists(): raise RuntimeError("no tree today")
    return Approval("approval", title="Go?")
"""


def slow(*values: object) -> object:
    """A case like others."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def check_nothing_is_left(place: DaemonPlace) -> None:
    assert not place.processes_left()
    runs = place.state_folder / "runs"
    assert not runs.exists() or not list(runs.iterdir())
    assert "There are no runs." in place.call("ps", "--all").out or not (place.state_folder / "smithers.db").exists()


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ("raise RuntimeError('not today')", 4, "flow.py could not be imported: RuntimeError: not today (flow.py:"),
        slow("import sys; sys.exit(7)", 4, "flow.py could not be imported: SystemExit: 7"),
        slow("import os; os._exit(7)", 1, "The daemon ended before the run had begun."),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 1, "The daemon ended before the run had begun."),
        slow("x = 1", 4, "flow.py has no workflow."),
        (f"{APPROVAL}\nPath('broken').touch()", 4, "RuntimeError: no tree today"),
    ],
)
def test_a_workflow_that_does_not_load(place: DaemonPlace, text: str, code: int, error: str) -> None:
    place.write(text)
    said = place.call("up", "flow.py", "-d", "--serve", "--port", "0", "--run-id", "r")
    assert said.code == code
    assert error in said.err
    assert said.out == ""
    check_nothing_is_left(place)


def test_what_it_printed_until_then_is_shown(place: DaemonPlace) -> None:
    place.write("print('said at import'); os.system('echo said by a command'); raise RuntimeError('not today')")
    said = place.call("up", "flow.py", "-d")
    assert said.err.splitlines()[:2] == ["said at import", "said by a command"]
    assert "Traceback" not in said.err
    assert "Traceback" in place.call("up", "flow.py", "-d", "--debug").err


def test_a_rendering_that_fails_in_a_store_that_is_there(place: DaemonPlace) -> None:
    place.write(APPROVAL)
    assert place.up("--no-wait", "--run-id", "other").wait() == 3
    (place.folder / "broken").touch()
    said = place.call("up", "flow.py", "-d", "--run-id", "r", "--debug")
    assert said.code == 4
    assert "RuntimeError: no tree today" in said.err
    assert "Traceback" in said.err
    assert [path.name for path in (place.state_folder / "runs").iterdir()] == []
    assert [run["runId"] for run in json.loads(place.call("ps", "--all", "--json").out)] == ["other"]


def test_a_port_that_is_taken(place: DaemonPlace, taken_port: int) -> None:
    place.write(APPROVAL)
    said = place.call("up", "flow.py", "-d", "--serve", "--port", str(taken_port))
    assert said.code == 4
    assert f"Port {taken_port} on 127.0.0.1 is in use" in said.err
    check_nothing_is_left(place)


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (("--serve", "--port", "0", "--auth-token", ""), "The auth token is empty."),
        slow(("--serve", "--port", "0", "--auth-token", " x"), "The auth token starts or ends with a blank"),
        slow(
            ("--serve", "--port", "0", "--host", "no.such.host.invalid"),
            "The host 'no.such.host.invalid' cannot be found",
        ),
        slow(("--run-id", "../r"), "'../r' cannot be a run id."),
        (("--log-file", "no/such/folder/log"), "log' cannot be opened: No such file or directory."),
        (("--pid-file", "no/such/folder/pid"), "pid' cannot be written and locked: No such file or directory."),
        slow(("--input", '{"a": 1}', "--from", "r"), "There is no store"),
        slow(("--resume", "--run-id", "r"), "There is no store"),
    ],
)
def test_a_flag_that_cannot_be_obeyed(place: DaemonPlace, flags: tuple[str, ...], error: str) -> None:
    place.write(APPROVAL)
    said = place.call("up", "flow.py", "-d", *flags)
    assert said.code == 4
    assert error in said.err
    check_nothing_is_left(place)


def test_a_folder_that_cannot_be_written_with_a_store_elsewhere(place: DaemonPlace) -> None:
    place.write(APPROVAL)
    runs = place.state_folder / "runs"
    runs.write_text("in the way")
    said = place.call("up", "flow.py", "-d", "--store", "sqlite:///elsewhere.db")
    assert said.code == 4
    assert f"The folder {str(runs)!r} cannot be created: File exists." in said.err
    assert "Traceback" not in said.err
    assert not place.processes_left()


def test_a_run_that_exists_keeps_its_log(place: DaemonPlace) -> None:
    place.write(APPROVAL)
    daemon = place.detach("--run-id", "r")
    assert place.call("down", "r", "--suspend").code == 0
    before = daemon.log
    said = place.call("up", "flow.py", "-d", "--run-id", "r")
    assert said.code == 4
    assert "Run 'r' exists already (suspended)." in said.err
    assert "--resume" in said.err
    assert daemon.log == before
    assert place.has_nothing_of("r")


def test_a_run_that_has_a_daemon(place: DaemonPlace) -> None:
    place.write(APPROVAL)
    daemon = place.detach("--run-id", "r")
    for flags in (("--run-id", "r"), ("--resume",)):
        said = place.call("up", "flow.py", "-d", *flags)
        assert said.code == 4
        assert f"Run 'r' already has a process. Process {daemon.pid} holds" in said.err
        assert "smithers down r" in said.err
    assert daemon.is_alive
    assert place.call("ps").out.count("waiting-approval") == 1


def test_a_pidfile_that_another_run_has(place: DaemonPlace) -> None:
    place.write(APPROVAL)
    daemon = place.detach("--run-id", "first", "--pid-file", "shared.pid")
    said = place.call("up", "flow.py", "-d", "--run-id", "second", "--pid-file", "shared.pid")
    assert said.code == 4
    assert "Run 'first' already has a process." in said.err
    assert "second" not in [path.name for path in (place.state_folder / "runs").iterdir()]
    forced = place.call(
        "up", "flow.py", "--resume-or-start", "-d", "--run-id", "second", "--force", "--pid-file", "shared.pid"
    )
    assert forced.code == 4, "--force takes a run, not another run's pidfile"
    assert daemon.is_alive
    assert place.status("first") == "waiting-approval"

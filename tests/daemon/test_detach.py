"""What `up -d` leaves behind: a run that goes on without whoever started it, and words about where it is."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemons import DaemonPlace, children_of, command_of, is_alive
from tests.support.flows import WAITS
from tests.support.place import SMITHERS
from tests.support.waiting import until


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: state, ppid, pgrp, session, tty."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def status(pid: int, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_it_is_healthy_when_the_prompt_comes_back(place: DaemonPlace) -> None:
    place.write(WAITS)
    daemon = place.serve()
    assert daemon.request("/health") == (200, {"ok": True})
    assert daemon.request("/")[1]["status"] == "waiting-approval"
    assert daemon.pid_file.read_text() == f"{daemon.pid}\n"
    assert daemon.is_alive


def test_it_has_a_session_of_its_own_and_no_terminal(place: DaemonPlace) -> None:
    place.write(WAITS)
    daemon = place.serve()
    _, _, group, session, terminal, *_ = stat(daemon.pid)
    assert session == group != str(daemon.pid), "it leads no session, so that no terminal can become its own"
    assert session != str(os.getsid(0))
    assert terminal == "0"


def test_its_stdin_is_empty_and_its_stdout_and_stderr_are_the_log(place: DaemonPlace) -> None:
    place.write(WAITS)
    daemon = place.serve()
    files = [str(Path(f"/proc/{daemon.pid}/fd/{number}").readlink()) for number in range(3)]
    assert files == ["/dev/null", str(daemon.log_file), str(daemon.log_file)]


def test_it_keeps_umask_directory_and_limits_but_no_descriptor_and_no_ignored_signal(place: DaemonPlace) -> None:
    place.write("""
        import resource
        async def note():
            Path("made").write_text("by a task")
            Path("limit").write_text(str(resource.getrlimit(resource.RLIMIT_CORE)))
            await asyncio.sleep(300)

        @workflow
        def noting(ctx):
            return Parallel(Task("note", note), Shell("sleep", "exec sleep 300"))
        """)
    starter = f"""
import os, resource, signal, subprocess, sys
os.umask(0o027)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
held = os.open("flow.py", os.O_RDONLY)
os.set_inheritable(held, True)
os.execv(sys.executable, {[*SMITHERS, "up", "flow.py", "-d", "--run-id", "r"]!r})
"""
    env = {**os.environ, "TEST_PLACE": str(place.folder)}
    subprocess.run([sys.executable, "-c", starter], cwd=place.folder, env=env, check=True, capture_output=True)
    pid = int((place.state_folder / "runs/r/pid").read_text())
    until((place.folder / "made").exists)
    assert (place.folder / "made").stat().st_mode & 0o777 == 0o640
    until(lambda: place.lines("limit"))
    assert place.lines("limit") == ["(0, 0)"]
    sleeping = until(lambda: [one for one in children_of(pid) if command_of(one) == "sleep"])
    for one in (pid, sleeping[0]):
        assert Path(f"/proc/{one}/cwd").readlink() == place.folder
        assert not any("flow.py" in target for target in descriptors(one))
        assert int(status(one, "SigBlk"), 16) & 1 << (signal.SIGTERM - 1) == 0
    ignored = int(status(sleeping[0], "SigIgn"), 16)
    assert [n for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM) if ignored & 1 << (n - 1)] == []
    assert place.call("down", "r").code == 0, "although it was started with SIGINT ignored"


def descriptors(pid: int) -> list[str]:
    return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]


def test_a_command_of_a_task_has_none_of_the_daemons_descriptors(place: DaemonPlace) -> None:
    place.write("""
        @workflow
        def listing(ctx):
            # Those of the shell, which waits meanwhile: a program that starts opens its libraries for a moment.
            return Sequence(Shell("list", "find /proc/$$/fd -type l -printf '%f %l\\\\n'; exit $?"), Approval("go"))
        """)
    daemon = place.serve()
    until(lambda: daemon.request("/")[1]["status"] == "waiting-approval")
    [iteration] = daemon.request("/nodes/list")[1]["iterations"]
    held = dict(line.split(" ", 1) for line in iteration["output"].splitlines())
    assert sorted(held) == ["0", "1", "2"]
    assert str(place.state_folder) not in "".join(held.values())


def test_nothing_of_the_start_stays_open(place: DaemonPlace) -> None:
    place.write(WAITS)
    daemon = place.serve()
    assert not [one for one in descriptors(daemon.pid) if "deleted" in one]


def test_it_outlives_the_kill_of_its_starters_group_and_the_end_of_their_pipes(place: DaemonPlace) -> None:
    place.write(WAITS)
    script = " ".join((*SMITHERS, "up", "flow.py", "-d", "--serve", "--port", "0", "--run-id", "r"))
    env = {**os.environ, "TEST_PLACE": str(place.folder)}
    shell = subprocess.Popen(
        ["sh", "-c", f"{script}; echo ready; exec sleep 300"],
        cwd=place.folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert shell.stdout is not None
    assert shell.stderr is not None
    said = iter(shell.stdout.readline, "ready\n")
    url = next(line.split()[1] for line in said if line.strip().startswith("url"))
    list(said)
    os.killpg(shell.pid, signal.SIGKILL)
    shell.communicate()
    pid = int((place.state_folder / "runs/r/pid").read_text())
    assert is_alive(pid)
    assert place.call("approve", "r").code == 0
    until(lambda: place.status("r") == "finished")
    assert url.startswith("http://127.0.0.1:")


def test_it_says_to_a_person_where_everything_is_and_what_to_type(place: DaemonPlace) -> None:
    place.write(WAITS)
    code, said = place.run("up", "flow.py", "-d", "--serve", "--port", "0", "--run-id", "r")
    assert code == 0
    folder = place.state_folder / "runs" / "r"
    pid = (folder / "pid").read_text().strip()
    head, facts, _, *commands = re.split(r"\n(?=  url|\n|Stop)", said.strip())
    assert head == "Run r is running in the background."
    assert re.fullmatch(
        rf"  url       http://127.0.0.1:\d+\n  pid       {pid}\n  log       {folder}/log\n  pidfile   {folder}/pid",
        facts,
    )
    assert [re.split(r"  +", command) for command in commands] == [["Stop it", "smithers down r"]]
    assert "Watch it    smithers events r -f" in said


def test_it_says_the_same_to_a_script(place: DaemonPlace) -> None:
    place.write(WAITS)
    said = place.call("up", "flow.py", "-d", "--run-id", "r", "--json")
    folder = place.state_folder / "runs" / "r"
    assert json.loads(said.out) == {
        "runId": "r",
        "url": None,
        "pid": int((folder / "pid").read_text()),
        "logFile": str(folder / "log"),
        "pidFile": str(folder / "pid"),
        "isStandby": False,
    }
    assert said.err == ""


def test_without_serve_it_ends_with_its_run_and_leaves_only_the_log(place: DaemonPlace) -> None:
    place.write("""
        def work(): print("done")

        @workflow
        def working(ctx):
            return Sequence(Approval("approval", title="Go?"), Task("work", work))
        """)
    daemon = place.detach("--run-id", "r")
    assert daemon.is_alive
    assert place.call("approve", "r").code == 0
    daemon.until_ended()
    assert place.status("r") == "finished"
    assert sorted(path.name for path in daemon.log_file.parent.iterdir()) == ["log"]
    assert "work | done" in daemon.log


def test_a_warning_about_an_open_address_reaches_the_terminal(place: DaemonPlace) -> None:
    place.write(WAITS)
    said = place.call("up", "flow.py", "-d", "--serve", "--port", "0", "--host", "0.0.0.0", "--run-id", "r")
    assert said.code == 0
    assert "!! Listening on 0.0.0.0 without a token." in said.err
    assert "!! Listening on 0.0.0.0 without a token." in (place.state_folder / "runs/r/log").read_text()


def test_a_file_in_the_working_directory_does_not_stand_in_for_a_library(place: DaemonPlace) -> None:
    (place.folder / "flows").mkdir()
    place.write(WAITS, "flows/flow.py")
    for name in ("daemon", "click", "signal", "aiohttp"):
        (place.folder / f"{name}.py").write_text("raise RuntimeError('the wrong module')")
    code, said = run_installed(place, "up", "flows/flow.py", "-d", "--run-id", "r", "--serve", "--port", "0")
    assert code == 0, said


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_it_starts_where_streams_are_closed(place: DaemonPlace, closed: str) -> None:
    place.write(WAITS)
    env = {**os.environ, "TEST_PLACE": str(place.folder)}
    script = " ".join((*SMITHERS, "up", "flow.py", "-d", "--run-id", "r", closed))
    done = subprocess.run(["sh", "-c", script], cwd=place.folder, env=env, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    log = place.state_folder / "runs" / "r" / "log"
    pid = int((place.state_folder / "runs" / "r" / "pid").read_text())
    assert [Path(f"/proc/{pid}/fd/{number}").readlink() for number in range(3)] == [Path("/dev/null"), log, log]
    assert "approval asks: Go?" in log.read_text()


def run_installed(place: DaemonPlace, *arguments: str) -> tuple[int, str]:
    """Run the command as it is installed, which does not look for modules in the working directory."""
    command = Path(sys.executable).with_name("smithers")
    env = {**os.environ, "TEST_PLACE": str(place.folder)}
    done = subprocess.run([command, *arguments], cwd=place.folder, env=env, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_starter_that_leaves_before_the_answer_takes_the_daemon_with_it(
    place: DaemonPlace, number: signal.Signals
) -> None:
    place.write("""
        Path("importing").touch()
        while not Path("go").exists(): time.sleep(0.01)

        @workflow
        def waiting(ctx):
            return Approval("approval", title="Go?")
        """)
    starter = place.up("-d", "--run-id", "r")
    until((place.folder / "importing").exists)
    starter.signal(number)
    assert starter.wait() == {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[number]
    (place.folder / "go").touch()
    until(lambda: not place.processes_left(), "the end of the daemon")
    assert not (place.state_folder / "runs" / "r").exists()
    assert "No run is live" in place.call("ps").out

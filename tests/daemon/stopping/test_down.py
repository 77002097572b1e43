"""`smithers down`: when it returns 0 there is no process and no pidfile, and the run has ended or is suspended."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.daemons import Daemon, DaemonPlace, is_alive
from tests.support.flows import WAITS
from tests.support.waiting import DEADLINE_S, until

LETTING_GO = """
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(os.getpid(), file=file, flush=True)
print("held", flush=True)
time.sleep(0.3)
"""
STUCK = """
def never_ends():
    Path("began").touch()
    while True: time.sleep(0.1)

@workflow
def stuck(ctx):
    return Task("stuck", never_ends)
"""
LEAVING = """
@workflow
def leaving(ctx):
    return Shell("work", "sleep 1000 & echo $! > left; [ -e go ] && kill $! && exit 0; wait")
"""


@pytest.fixture
def daemon(place: DaemonPlace) -> Daemon:
    place.write(WAITS)
    return place.serve("--run-id", "r")


def test_it_cancels(place: DaemonPlace, daemon: Daemon) -> None:
    said = place.call("down")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Run r is cancelled. Process {daemon.pid} has ended.\n")
    assert place.status("r") == "cancelled"
    assert place.has_nothing_of("r")


def test_it_suspends(place: DaemonPlace, daemon: Daemon) -> None:
    said = place.call("down", "--suspend")
    assert said.code == 0
    assert said.out.startswith(f"Run r is suspended. Process {daemon.pid} has ended.\n")
    assert "up flow.py --run-id r --resume" in said.out
    assert place.has_nothing_of("r")
    assert place.status("r") == "suspended"
    resumed = place.detach("--resume")
    assert resumed.run_id == "r"
    assert place.status("r") == "waiting-approval"


def test_it_stops_the_server_of_a_run_that_has_ended_and_leaves_that_alone(place: DaemonPlace) -> None:
    place.write("@workflow\ndef quick(ctx): return Shell('true', 'true')\n")
    daemon = place.serve("--run-id", "r")
    daemon.until_log("Still serving")
    events = place.types("r")
    said = place.call("down", "r")
    assert (said.code, said.out) == (0, f"Run r had already ended: finished. Process {daemon.pid} has ended.\n")
    assert place.types("r") == events
    assert place.has_nothing_of("r")


@pytest.mark.parametrize(("flags", "status"), [((), "cancelled"), (("--suspend",), "suspended")])
def test_it_finishes_the_bookkeeping_of_a_daemon_that_died(
    place: DaemonPlace, flags: tuple[str, ...], status: str
) -> None:
    place.write(LEAVING)
    daemon = place.serve("--run-id", "r")
    left = int(until(lambda: place.lines("left"))[0])
    daemon.kill()
    assert daemon.pid_file.exists()
    said = place.call("down", "r", *flags)
    assert said.code == 0
    assert f"Run r is {status}. Its process had died; the pidfile was stale." in said.out
    assert place.status("r") == status
    assert not is_alive(left), "what its command left behind was ended"
    assert place.has_nothing_of("r")
    assert place.state("r").nodes["work", 0].attempts[-1].state == ("cancelled" if not flags else "interrupted")


def test_a_stale_pidfile_with_the_pid_of_another_program_costs_that_nothing(place: DaemonPlace, daemon: Daemon) -> None:
    other = place.start("up", "flow.py", "--run-id", "other", "--store", f"sqlite:///{place.folder}/other.db")
    other.until_text("asks")
    daemon.kill()
    daemon.pid_file.write_text(f"{other.popen.pid}\n")
    said = place.call("down", "r")
    assert said.code == 0
    assert "the pidfile was stale" in said.out
    assert other.popen.poll() is None
    assert "suspend" not in other.text


def test_a_pidfile_that_a_foreign_program_holds_is_respected(place: DaemonPlace, daemon: Daemon) -> None:
    """Many programs lock a pidfile; only one that wrote itself down as the run's is ever signalled."""
    foreign = place.serve("--run-id", "foreign", "--pid-file", "foreign.pid")
    said = place.call("down", "r", "--pid-file", "foreign.pid")
    assert said.code == 1
    assert "is not recorded on this machine" in said.err
    assert foreign.is_alive
    assert daemon.is_alive
    assert place.status("foreign") == place.status("r") == "waiting-approval"


def test_a_process_that_is_about_to_let_go_of_its_pidfile_is_waited_for(place: DaemonPlace, daemon: Daemon) -> None:
    """It has crossed itself out already, and is gone in a moment."""
    assert place.call("down", "r", "--suspend").code == 0
    with subprocess.Popen([sys.executable, "-c", LETTING_GO, str(daemon.pid_file)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        said = place.call("down", "r")
    assert said.code == 0, said.err
    assert process.returncode == 0
    assert place.status("r") == "cancelled"
    assert place.has_nothing_of("r")


def test_a_number_from_another_pid_namespace_is_never_signalled(place: DaemonPlace) -> None:
    """A container that shares the folder: the lock is seen from here, and its process 2 is not ours."""
    place.write(WAITS)
    with place.start_in_pid_namespace("up", "flow.py", "--run-id", "r") as container:
        until(lambda: "RunStatusChanged" in place.types_of("r"), "the run")
        assert (place.state_folder / "runs" / "r" / "pid").read_text() == "2\n"
        for flags in ((), ("--force", "--timeout", "0"), ("--suspend",)):
            said = place.call("down", "r", *flags)
            assert said.code == 1
            assert "is not recorded on this machine" in said.err
        assert place.status("r") == "waiting-approval"
        assert place.call("approve", "r").code == 0
        assert container.wait(DEADLINE_S) == 0
    assert place.status("r") == "finished"


def test_a_pidfile_is_enough_to_name_a_run(place: DaemonPlace, daemon: Daemon) -> None:
    other = place.detach("--run-id", "other", "--pid-file", "other.pid")
    assert other.pid_file == place.folder / "other.pid"
    assert other.pid_file.read_text() == f"{other.pid}\n"
    assert place.call("down", "--pid-file", "other.pid").code == 0
    assert not other.is_alive
    assert not other.pid_file.exists()
    assert daemon.is_alive
    assert place.call("down", "--pid-file", "other.pid").code == 4


def test_the_pidfile_of_a_run_is_found_wherever_it_is(place: DaemonPlace) -> None:
    place.write(WAITS)
    daemon = place.detach("--run-id", "r", "--pid-file", "my.pid")
    assert place.call("down", "r").code == 0
    assert not daemon.is_alive
    assert not daemon.pid_file.exists()


def test_a_process_is_found_after_its_project_was_moved(place: DaemonPlace, daemon: Daemon) -> None:
    moved = DaemonPlace(place.folder / "moved")
    place.state_folder.rename(moved.state_folder)
    assert str(daemon.pid) in moved.call("ps").out
    assert "approval asks: Go?" in moved.call("logs", "r").out
    said = moved.call("down", "r")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Run r is cancelled. Process {daemon.pid} has ended.\n")
    assert not daemon.is_alive
    assert moved.has_nothing_of("r")


def test_a_beginning_is_enough_unless_several_have_it(place: DaemonPlace) -> None:
    place.write(WAITS)
    place.detach("--run-id", "abc-1")
    place.detach("--run-id", "abc-2")
    said = place.call("down", "abc")
    assert said.code == 4
    assert "2 runs have ids that begin with 'abc'" in said.err
    said = place.call("down")
    assert said.code == 4
    assert "2 runs have a process here.\n  Name one:\n    abc-1\n    abc-2\n" in said.err
    assert place.call("down", "abc-1").code == 0
    assert [run for run in ("abc-1", "abc-2") if place.status(run) == "cancelled"] == ["abc-1"]
    assert place.call("down").code == 0
    assert place.status("abc-2") == "cancelled"


def test_a_run_in_a_terminal_is_stopped_too(place: DaemonPlace) -> None:
    place.write(WAITS)
    up = place.up("--run-id", "r")
    up.until_text("asks")
    assert place.call("down").code == 0
    assert up.wait() == 2
    assert "(smithers down)' asked to cancel the run" in up.text


def test_a_run_that_a_script_started_in_its_background_is_stopped_too(place: DaemonPlace) -> None:
    """Whoever ignores SIGINT (`command &` in a script) is not ended by the Ctrl+C of the script, but by down."""
    place.write(WAITS)
    with place.start_wrapped(("sh", "-c", '"$@" & wait $!', "sh"), "up", "flow.py", "--run-id", "r") as script:
        until(lambda: "RunStatusChanged" in place.types_of("r"), "the run")
        pid = int((place.state_folder / "runs" / "r" / "pid").read_text())
        os.kill(pid, signal.SIGINT)
        assert place.call("down", "r").code == 0
        assert script.wait() == 2, "130 if SIGINT had ended it"
    assert place.status("r") == "cancelled"
    assert place.status("r") == "cancelled"
    assert not (place.state_folder / "runs" / "r").exists()


def test_nothing_is_left_of_a_process_that_kept_no_log(place: DaemonPlace) -> None:
    place.write(WAITS)
    up = place.up("--run-id", "r")
    until(lambda: "RunStatusChanged" in place.types_of("r"), "the run")
    assert place.call("down", "--suspend").code == 0
    assert up.wait() == 143
    assert not (place.state_folder / "runs" / "r").exists()


def test_a_process_that_is_halted_goes_on_to_be_stopped(place: DaemonPlace, daemon: Daemon) -> None:
    daemon.signal(signal.SIGSTOP)
    assert place.call("down", "--suspend").code == 0
    assert not daemon.is_alive
    assert place.status("r") == "suspended"


def test_after_the_timeout_it_says_what_it_hangs_on(place: DaemonPlace) -> None:
    place.write(STUCK)
    daemon = place.detach("--run-id", "r")
    until((place.folder / "began").exists)
    said = place.call("down", "--timeout", "0.1")
    assert said.code == 1
    assert f"Process {daemon.pid} of run 'r' has not ended within 0.1 s: 'stuck' still runs." in said.err
    assert "--force" in said.err
    daemon.until_ended()
    assert place.status("r") == "cancelled"


def test_with_force_a_process_that_does_not_end_is_killed(place: DaemonPlace) -> None:
    place.write(STUCK)
    daemon = place.detach("--run-id", "r")
    until((place.folder / "began").exists)
    said = place.call("down", "--timeout", "0.1", "--force")
    assert said.code == 0
    assert said.out.startswith(f"Run r is cancelled. Process {daemon.pid} was killed.\n")
    assert place.status("r") == "cancelled"
    assert place.has_nothing_of("r")


def test_all_stops_every_process_and_finishes_what_a_dead_one_left(place: DaemonPlace) -> None:
    place.write(WAITS)
    place.write("@workflow\ndef quick(ctx): return Shell('true', 'true')\n", "quick.py")
    served = place.call("up", "quick.py", "-d", "--serve", "--port", "0", "--run-id", "ended")
    assert served.code == 0
    until(lambda: place.status("ended") == "finished")
    daemons = [place.detach("--run-id", f"run-{i}") for i in range(2)]
    daemons[1].kill()
    assert place.up("--run-id", "suspended", "--no-wait").wait() == 3
    said = place.call("down", "--all")
    assert said.code == 0, said.out + said.err
    assert not place.processes_left()
    statuses = {run: place.status(run) for run in ("ended", "run-0", "run-1", "suspended")}
    assert statuses == {
        "ended": "finished",
        "run-0": "cancelled",
        "run-1": "cancelled",
        "suspended": "suspended",
    }
    assert all(f"Run run-{i} is cancelled" in said.out for i in range(2))
    assert place.call("down", "--all").out == "No run has a process on this machine.\n"


@pytest.mark.slow
def test_all_says_which_has_not_ended(place: DaemonPlace, daemon: Daemon) -> None:
    place.write(STUCK, "stuck.py")
    assert place.call("up", "stuck.py", "-d", "--run-id", "s").code == 0
    until((place.folder / "began").exists)
    said = place.call("down", "--all", "--timeout", "0.5")
    assert said.code == 1
    assert "of run 's' has not ended within 0.5 s" in said.out
    assert "Run r is cancelled" in said.out
    assert not daemon.is_alive


def test_a_run_without_a_process_is_settled_or_left(place: DaemonPlace) -> None:
    place.write(WAITS)
    assert place.up("--run-id", "r", "--no-wait").wait() == 3
    assert place.call("down", "r", "--suspend").out.startswith("Run r is suspended. It had no process on this machine.")
    assert place.call("down", "r").out.startswith("Run r is cancelled. It had no process on this machine.")
    assert place.call("down", "r").out == "Run r had already ended: cancelled. It had no process on this machine.\n"


def test_what_cannot_be_meant_is_refused(place: DaemonPlace) -> None:
    place.write(WAITS)
    assert place.up("--run-id", "r", "--no-wait").wait() == 3
    for arguments, error in {
        ("nobody",): "There is no run 'nobody'.",
        ("--all", "r"): "--all cannot be given together with RUN or --pid-file.",
        ("--timeout", "-1"): "is not a number of seconds (0 or more)",
        ("--pid-file", "none.pid"): "No run of",
    }.items():
        said = place.call("down", *arguments)
        assert said.code == 4
        assert error in said.err
    assert place.status("r") == "suspended"


def test_with_nothing_to_stop_it_says_so(place: DaemonPlace) -> None:
    said = place.call("down")
    assert said.code == 4
    assert "There is no store" in said.err


def test_ps_tells_the_process_and_never_calls_a_dead_run_running(place: DaemonPlace, daemon: Daemon) -> None:
    assert f" {daemon.pid} " in place.call("ps").out
    assert daemon.url is not None
    assert daemon.url in place.call("ps").out
    daemon.kill()
    out = place.call("ps").out
    assert "interrupted" in out
    assert str(daemon.pid) not in out
    assert daemon.url not in out

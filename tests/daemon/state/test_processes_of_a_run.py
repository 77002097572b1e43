"""Which processes have a run in hand: each is known by itself, `ps` shows them all, and `down` ends them all."""

import json
import os
import signal

import pytest

from tests.support.daemons import Daemon, DaemonPlace, is_alive
from tests.support.flows import WAITS
from tests.support.waiting import until


@pytest.fixture
def daemon(place: DaemonPlace) -> Daemon:
    place.write(WAITS)
    return place.serve("--run-id", "r")


def standby(place: DaemonPlace, name: str = "second") -> Daemon:
    return place.serve("--run-id", "r", "--standby", "--pid-file", f"{name}.pid", "--log-file", f"{name}.log")


def test_down_ends_the_driver_and_all_that_stand_by(place: DaemonPlace, daemon: Daemon) -> None:
    standbys = [standby(place, name) for name in ("second", "third")]
    said = place.call("down", "r")
    assert (said.code, said.err) == (0, "")
    for each in (daemon, *standbys):
        assert f"Process {each.pid} has ended." in said.out
        assert not each.is_alive
    assert place.status("r") == "cancelled"
    assert place.has_nothing_of("r")


def test_down_with_suspend_leaves_no_standby_that_could_go_on(place: DaemonPlace, daemon: Daemon) -> None:
    second = standby(place)
    assert place.call("down", "r", "--suspend").code == 0
    assert not daemon.is_alive
    assert not second.is_alive
    assert place.status("r") == "suspended"


def test_down_of_all_ends_a_standby_whose_driver_is_elsewhere(place: DaemonPlace, daemon: Daemon) -> None:
    second = standby(place)
    daemon.pid_file.unlink()
    assert place.call("down", "--all").code == 0
    assert not daemon.is_alive
    assert not second.is_alive


def test_a_pidfile_names_the_one_process_that_is_to_end(place: DaemonPlace, daemon: Daemon) -> None:
    second, third = standby(place, "second"), standby(place, "third")
    assert place.call("down", "r", "--suspend", "--pid-file", "second.pid").code == 0
    assert not second.is_alive
    assert daemon.is_alive
    assert third.is_alive
    assert place.status("r") == "waiting-approval"


def test_a_standby_that_outlives_the_run_takes_nothing_from_the_process_that_still_serves_it(
    place: DaemonPlace, daemon: Daemon
) -> None:
    second = standby(place)
    assert place.call("approve", "r").code == 0
    for each in (daemon, second):
        each.until_log("Still serving")
    second.signal(signal.SIGTERM)
    second.until_ended()
    assert str(daemon.pid) in place.call("ps").out
    said = place.call("down", "r")
    assert (said.code, said.out) == (0, f"Run r had already ended: finished. Process {daemon.pid} has ended.\n")
    assert place.has_nothing_of("r")


def test_a_process_whose_pidfile_was_deleted_is_found_all_the_same(place: DaemonPlace, daemon: Daemon) -> None:
    daemon.pid_file.unlink()
    assert str(daemon.pid) in place.call("ps").out
    resuming = place.up("--run-id", "r", "--resume")
    assert resuming.wait() == 4
    assert f"Process {daemon.pid} still holds the run, although its pidfile was deleted." in resuming.text
    said = place.call("down", "r")
    assert (said.code, said.err) == (0, "")
    assert f"Process {daemon.pid} has ended." in said.out
    assert not daemon.is_alive
    assert place.has_nothing_of("r")


def test_force_ends_a_process_whose_pidfile_was_deleted(place: DaemonPlace, daemon: Daemon) -> None:
    daemon.pid_file.unlink()
    taken = place.serve("--run-id", "r", "--resume", "--force")
    assert not daemon.is_alive
    assert taken.pid_file.read_text() == f"{taken.pid}\n"
    assert place.call("down", "r").code == 0
    assert place.has_nothing_of("r")


def test_ps_shows_who_stands_by(place: DaemonPlace, daemon: Daemon) -> None:
    second = standby(place)
    said = place.call("ps")
    assert f"process {second.pid} stands by at {second.url}, up " in said.out
    [run] = json.loads(place.call("ps", "--json").out)
    assert (run["pid"], run["url"], run["pidFile"]) == (daemon.pid, daemon.url, str(daemon.pid_file))
    assert run["logFile"] == str(daemon.log_file)
    [other] = run["standbys"]
    assert other.pop("startedAtMs") >= run["processStartedAtMs"]
    assert other == {
        "pid": second.pid,
        "url": second.url,
        "pidFile": str(second.pid_file),
        "logFile": str(second.log_file),
    }
    daemon.kill()
    until(lambda: json.loads(place.call("ps", "--json").out)[0]["pid"] == second.pid, "the standby's turn")
    [run] = json.loads(place.call("ps", "--json").out)
    assert (run["standbys"], run["goesOnWith"]) == ([], [])


def test_ps_says_to_machines_too_what_gets_a_run_on(place: DaemonPlace, daemon: Daemon) -> None:
    assert place.call("down", "--suspend").code == 0
    [run] = json.loads(place.call("ps", "--json").out)
    assert run["goesOnWith"] == ["smithers up flow.py --run-id r --resume"]
    assert run["goesOnWith"][0] in place.call("ps").out


def test_ps_takes_no_number_of_another_pid_namespace_for_one_of_here(place: DaemonPlace) -> None:
    place.write(WAITS)
    with place.start_in_pid_namespace("up", "flow.py", "--run-id", "r"):
        until(lambda: "RunStatusChanged" in place.types_of("r"), "the run")
        [run] = json.loads(place.call("ps", "--json").out)
        assert (run["pid"], run["url"], run["processStartedAtMs"]) == (None, None, None)
        assert run["driver"] == {"host": os.uname().nodename, "pid": 2, "isLocal": False}
        assert f"2@{os.uname().nodename}" in place.call("ps").out


def test_a_cancel_that_is_repeated_is_no_error(place: DaemonPlace, daemon: Daemon) -> None:
    """Whoever lost the first one's answer asks again."""
    first, again = place.call("cancel", "r"), place.call("cancel", "r")
    assert (first.code, again.code, again.err) == (0, 0, "")
    assert "Run r is cancelled." in again.out
    assert place.types("r").count("RunCancelled") == 1
    assert is_alive(daemon.pid), "it serves how the run ended"


def test_a_run_that_has_finished_cannot_be_cancelled(place: DaemonPlace, daemon: Daemon) -> None:
    assert place.call("approve", "r").code == 0
    daemon.until_log("Still serving")
    said = place.call("cancel", "r")
    assert said.code == 4
    assert "has ended (finished)" in said.err

"""A second process that stands by: it takes the run up when the driver dies, stops or lets go, and never before."""

import json
import signal
import time

import pytest

from smithersd.core.log.events import NodeInterrupted
from smithersd.core.log.states import Interruption, RunStatus
from tests.support.flows import HANGS_ONCE
from tests.support.place import Place, Process
from tests.support.waiting import until

LEASE_S = 0.6

WAITING = """
@workflow
def waiting(ctx):
    return Sequence(Approval("approval", title="Go?"), Task("last", int))
"""


def driver(place: Place, *arguments: str) -> Process:
    return place.up("--run-id", "r", "--lease", str(LEASE_S), *arguments)


def standby(place: Place, *arguments: str) -> Process:
    """A second process of this machine and state folder, which stands by."""
    process = driver(place, "--standby", "--pid-file", "second.pid", *arguments)
    process.until_text("This process stands by")
    return process


def waiting_driver(place: Place) -> Process:
    """A driver that waits at a gate."""
    place.write(WAITING)
    process = driver(place)
    process.until_text("smithers approve")
    return process


def hanging_driver(place: Place) -> Process:
    """A driver in the middle of its second step."""
    place.write(HANGS_ONCE)
    process = driver(place)
    until(lambda: place.lines("effects"), "the second step")
    return process


def halted_and_taken_over(place: Place) -> tuple[Process, Process]:
    """A driver that was halted, and the standby that took its run over, which waits for a person."""
    place.write(WAITING)
    first = driver(place, "--standby")
    first.until_text("smithers approve")
    second = standby(place)
    place.halt(first.popen.pid)
    second.until_text("smithers approve")
    return first, second


def interruptions(place: Place) -> list[str]:
    return [one.event.reason.value for one in place.log("r") if isinstance(one.event, NodeInterrupted)]


def test_a_standby_takes_the_run_up_at_once_when_the_driver_is_killed(place: Place) -> None:
    first = hanging_driver(place)
    second = standby(place, "--lease", "60")
    assert f"driven by process {first.popen.pid} on" in second.text
    first.kill()
    assert second.wait() == 0
    assert place.lines("effects") == ["1", "2"]
    assert interruptions(place) == [Interruption.CRASH]


def test_a_standby_takes_the_run_up_when_the_lease_of_a_stopped_driver_has_run_out(place: Place) -> None:
    first = hanging_driver(place)
    second = standby(place)
    place.halt(first.popen.pid)
    stopped_at_s = time.monotonic()
    assert second.wait() == 0
    assert time.monotonic() - stopped_at_s > LEASE_S / 2, "it had time left"
    assert interruptions(place) == [Interruption.LEASE_LOST]
    length = len(place.log("r"))
    first.signal(signal.SIGCONT)
    assert first.wait() == 5
    assert "another driver has taken over the run" in first.text
    assert len(place.log("r")) == length, "it wrote after its lease was lost"
    assert place.lines("effects") == ["1", "2"]


@pytest.mark.slow
def test_a_driver_that_was_stopped_and_not_relieved_goes_on(place: Place) -> None:
    place.write(HANGS_ONCE.replace("sleep(300)", "sleep(1)"))
    first = driver(place)
    until(lambda: place.lines("effects"), "the second step")
    place.halt(first.popen.pid)
    until(lambda: " interrupted " in place.run("ps")[1], "the end of the lease")
    first.signal(signal.SIGCONT)
    assert first.wait() == 0
    assert place.lines("effects") == ["1"]


def test_a_stopped_driver_is_relieved_at_once_by_force(place: Place) -> None:
    first = hanging_driver(place)
    place.halt(first.popen.pid)
    code, text = place.run("up", "flow.py", "--run-id", "r", "--resume")
    assert code == 4
    assert "--force" in text
    assert place.run("up", "flow.py", "--run-id", "r", "--resume", "--force")[0] == 0
    assert first.wait() == 143, "it was woken to suspend its run"
    assert place.lines("effects") == ["1", "2"]


def test_force_beside_the_pidfile_of_a_driver_takes_the_run_by_the_fence(place: Place) -> None:
    """As another container on the same volume would: the driver's process is not told to end before."""
    first = hanging_driver(place)
    place.halt(first.popen.pid)
    taking = ("up", "flow.py", "--run-id", "r", "--resume", "--force", "--pid-file", "other.pid")
    assert place.run(*taking)[0] == 0
    assert interruptions(place) == [Interruption.LEASE_LOST]
    assert first.wait() in {5, 143, -signal.SIGTERM, -signal.SIGKILL}, "killed, where it did not end soon"
    assert place.types("r").count("RunFinished") == 1


def test_a_standby_starts_a_run_that_nobody_has_started_and_two_of_them_start_one(place: Place) -> None:
    place.write(WAITING)
    both = [driver(place, "--standby", "--pid-file", f"{name}.pid") for name in ("one", "other")]
    until(lambda: sum("smithers approve" in one.text for one in both) == 1, "one that drives")
    until(lambda: sum("stands by" in one.text for one in both) == 1, "one that stands by")
    place.run("approve", "r")
    assert [one.wait() for one in both] == [0, 0]
    assert place.types("r").count("RunStarted") == 1


def test_a_standby_serves_the_run_and_ends_with_its_code(place: Place) -> None:
    first = waiting_driver(place)
    second = standby(place, "--serve", "--port", "0")
    assert second.request("/ready")[0] == 200
    assert second.request("/")[1]["status"] == RunStatus.WAITING_APPROVAL
    assert second.request("/approve/approval", {"decidedBy": "alice"})[0] == 200
    assert first.wait() == 0
    second.until_text("Run finished")
    assert second.request("/")[1]["status"] == RunStatus.FINISHED
    second.signal(signal.SIGTERM)
    assert second.wait() == 0


def test_a_standby_of_a_cancelled_run_ends_as_cancelled(place: Place) -> None:
    first = waiting_driver(place)
    second = standby(place)
    assert place.run("cancel", "r")[0] == 0
    assert (first.wait(), second.wait()) == (2, 2)


@pytest.mark.slow
def test_a_run_that_was_suspended_on_purpose_stays_so_until_somebody_resumes_it(place: Place) -> None:
    first = waiting_driver(place)
    second = standby(place)
    first.signal(signal.SIGTERM)
    assert first.wait() == 143
    second.until_text("is suspended. This process stands by until")
    time.sleep(2 * LEASE_S)  # in which it could have taken it
    assert place.state("r").status is RunStatus.SUSPENDED
    third = driver(place, "--resume")
    until(lambda: second.text.count("is driven by") == 2, "that it waits for the third")
    third.kill()
    second.until_text("smithers approve")
    place.run("approve", "r")
    assert second.wait() == 0


def test_ctrl_c_ends_a_standby_and_leaves_the_run_alone(place: Place) -> None:
    first = waiting_driver(place)
    second = standby(place)
    second.signal(signal.SIGINT)
    assert second.wait() == 130
    assert place.state("r").status is RunStatus.WAITING_APPROVAL
    assert not (place.folder / "second.pid").exists()
    place.run("approve", "r")
    assert first.wait() == 0


@pytest.mark.slow
def test_a_standby_with_the_pidfile_of_the_driver_is_told_what_it_lacks(place: Place) -> None:
    place.write(WAITING)
    driver(place).until_text("smithers approve")
    code, text = place.run("up", "flow.py", "--run-id", "r", "--standby")
    assert code == 4
    assert "its own --pid-file" in text


def test_a_workflow_that_is_not_the_runs_is_refused_while_there_is_no_need_yet(place: Place) -> None:
    place.write(WAITING)
    driver(place).until_text("smithers approve")
    place.write(WAITING.replace("def waiting", "def another"), "another.py")
    code, text = place.run("up", "another.py", "--run-id", "r", "--standby", "--pid-file", "second.pid")
    assert code == 4
    assert "'waiting', not to 'another'" in text


def test_a_standby_in_the_background_is_found_and_stopped_by_its_pidfile(place: Place) -> None:
    first = waiting_driver(place)
    code, text = place.run("up", "flow.py", "--run-id", "r", "--standby", "--pid-file", "second.pid", "-d", "--json")
    assert code == 0
    told = json.loads(text)
    assert told["pid"] == int((place.folder / "second.pid").read_text())
    assert str(first.popen.pid) in place.run("ps")[1], "it stands by, the driver is another"
    assert told["isStandby"]
    code, text = place.run("down", "r", "--suspend", "--pid-file", "second.pid")
    assert (code, f"Process {told['pid']} has ended." in text) == (0, True)
    assert not (place.folder / "second.pid").exists()
    assert place.state("r").status is RunStatus.WAITING_APPROVAL
    place.run("approve", "r")
    assert first.wait() == 0


@pytest.mark.slow
def test_down_of_a_standby_in_a_state_folder_of_its_own_leaves_the_run_to_its_driver(place: Place) -> None:
    """As on a second host: there the standby is the only process that the run has."""
    first = waiting_driver(place)
    elsewhere = Place(place.folder / "elsewhere")
    elsewhere.write(WAITING)
    store = ("--store", f"sqlite:///{place.state_folder / 'smithers.db'}")
    second = elsewhere.up("--run-id", "r", "--standby", *store)
    try:
        second.until_text("This process stands by")
        assert elsewhere.run("down", "r", "--suspend", *store)[0] == 0
        assert second.wait() == 143
        assert place.state("r").status is RunStatus.WAITING_APPROVAL
        assert elsewhere.run("down", "r", *store)[0] == 0
        assert first.wait() == 2, "it was cancelled by its driver"
    finally:
        elsewhere.end()


def test_a_driver_that_lost_its_lease_stands_by_again_and_takes_the_run_up_in_turn(place: Place) -> None:
    first, second = halted_and_taken_over(place)
    first.signal(signal.SIGCONT)
    first.until_text(f"driven by process {second.popen.pid} on .* This process stands by")
    second.kill()
    until(lambda: first.text.count("smithers approve") == 2, "that it drives again")
    assert place.run("approve", "r")[0] == 0
    assert first.wait() == 0
    assert place.state("r").status is RunStatus.FINISHED


def test_a_driver_that_lost_its_lease_and_stands_by_leaves_a_run_that_was_suspended_since(place: Place) -> None:
    first, second = halted_and_taken_over(place)
    second.signal(signal.SIGTERM)
    assert second.wait() == 143
    first.signal(signal.SIGCONT)
    first.until_text("is suspended. This process stands by until")
    assert place.state("r").status is RunStatus.SUSPENDED

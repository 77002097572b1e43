"""A run that one host drives, seen and decided from another one through the database that they share."""

import json
import signal
import urllib.request

import pytest

from smithersd.core.log.states import RunStatus
from tests.postgres.host import Host
from tests.support.flows import ASKING
from tests.support.place import Process, request
from tests.support.waiting import DEADLINE_S, until


@pytest.fixture
def driver(here: Host) -> Process:
    """A run that waits for a decision."""
    here.write(ASKING)
    process = here.up("--run-id", "r")
    process.until_text("smithers approve")
    return process


def test_another_host_sees_who_drives_what(driver: Process, there: Host) -> None:
    code, text = there.run("ps")
    assert code == 0
    assert "waiting-approval" in text
    assert f"{driver.popen.pid}@here" in text
    code, text = there.run("inspect", "r", "--json")
    told = json.loads(text)
    assert told["driver"] == {"host": "here", "pid": driver.popen.pid, "isLocal": False}
    code, text = there.run("events", "r", "--json")
    assert [json.loads(line)["type"] for line in text.splitlines()] == there.types("r")


def test_a_decision_on_another_host_goes_on_here(driver: Process, there: Host) -> None:
    follower = there.start("events", "r", "-f", "--json")
    assert there.run("approve", "r", "--by", "ada", "--note", "fine")[0] == 0
    assert driver.wait() == 0
    assert follower.wait() == 0
    assert [json.loads(line)["type"] for line in follower.text.splitlines()] == there.types("r")
    assert there.run("approve", "r", "--node", "approval", "--by", "ada")[0] == 0, "the same again"
    assert there.run("deny", "r", "--by", "bob")[0] == 4


@pytest.mark.parametrize(
    ("command", "code"),
    [("cancel", 2), pytest.param("down", 2, marks=pytest.mark.slow), pytest.param("deny", 1, marks=pytest.mark.slow)],
)
def test_another_host_ends_the_run(driver: Process, there: Host, command: str, code: int) -> None:
    assert there.run(command, "r")[0] == 0
    assert driver.wait() == code


def test_another_host_does_not_suspend_what_it_cannot_reach(driver: Process, there: Host) -> None:
    code, text = there.run("down", "r", "--suspend")
    assert code == 4
    assert "here" in text
    assert driver.popen.poll() is None


def test_another_host_serves_the_run(driver: Process, there: Host) -> None:
    server = there.start("serve", "r", "--port", "0")
    with urllib.request.urlopen(f"{server.url}/events", timeout=DEADLINE_S) as stream:
        assert request(f"{server.url}/ready")[0] == 200
        assert server.request("/approve/approval", {"decidedBy": "ada"})[0] == 200
        assert server.request("/")[1]["summary"]["finished"] >= 2, "it was applied when that was answered"
        assert driver.wait() == 0
        assert b"RunFinished" in stream.read()
    assert server.request("/")[1]["status"] == RunStatus.FINISHED


@pytest.mark.slow
def test_a_run_that_was_suspended_here_is_resumed_there(driver: Process, here: Host, there: Host) -> None:
    driver.signal(signal.SIGTERM)
    assert driver.wait() == 143
    there.write(ASKING)
    second = there.up("--run-id", "r", "--resume")
    second.until_text("smithers approve")
    until(lambda: "@there" in here.run("ps")[1], "the new driver in the list")
    assert here.run("approve", "r")[0] == 0
    assert second.wait() == 0
    assert "RunResumed" in here.types("r")

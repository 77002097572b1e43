"""`smithers serve RUN`: a server for a run that another process drives, that nobody drives, or that has ended."""

import signal
import urllib.request

import pytest

from smithersd.core.log.states import RunStatus
from tests.acceptance.crash.test_kills import Follower
from tests.support.place import Place, Process

WAITING = """
@workflow
def waiting(ctx):
    return Sequence(Task("first", int), Approval("approval", title="Go?"), Task("last", int))
"""


def serving(place: Place, *arguments: str, **env: str) -> Process:
    process = place.start("serve", *arguments, "--port", "0", within=(), **env)
    process.until_text("Serving at")
    return process


def waiting_driver(place: Place) -> Process:
    place.write(WAITING)
    driver = place.up("--run-id", "r")
    driver.until_text("smithers approve")
    return driver


def test_a_server_beside_the_driver_streams_its_run_and_takes_decisions_for_it(place: Place) -> None:
    driver = waiting_driver(place)
    server = serving(place)
    assert f"Run r of waiting is waiting-approval, driven by process {driver.popen.pid} on" in server.text
    follower = Follower(f"{server.url}/events")
    follower.start()
    assert server.request("/ready")[0] == 200
    assert server.request("/")[1]["status"] == RunStatus.WAITING_APPROVAL
    assert server.request("/approve/approval", {"decidedBy": "alice"})[0] == 200
    assert driver.wait() == 0
    follower.join()
    assert follower.types == place.types("r")
    assert server.request("/")[1]["status"] == RunStatus.FINISHED, "it serves on"
    assert server.request("/cancel", {})[0] == 409


def test_a_cancel_through_the_server_reaches_the_driver(place: Place) -> None:
    driver = waiting_driver(place)
    assert serving(place, "r").request("/cancel", {}) == (200, {"runId": "r"})
    assert driver.wait() == 2


def test_a_cancel_through_the_server_ends_a_run_that_nobody_drives(place: Place) -> None:
    waiting_driver(place).kill()
    server = serving(place)
    assert server.request("/ready")[0] == 200
    assert server.request("/cancel", {})[0] == 200
    assert server.request("/")[1]["status"] == RunStatus.CANCELLED


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_end_of_the_server_leaves_the_run_alone(place: Place, number: signal.Signals) -> None:
    driver = waiting_driver(place)
    server = serving(place)
    with urllib.request.urlopen(f"{server.url}/events") as stream:
        server.signal(number)
        assert server.wait() == 0
        assert b"ApprovalRequested" in stream.read()
    assert place.state("r").status is RunStatus.WAITING_APPROVAL
    assert place.run("down", "r")[0] == 0
    assert driver.wait() == 2


def test_a_run_that_has_ended_is_served_with_the_same_token_and_flags_as_by_up(place: Place) -> None:
    place.write("@workflow\ndef short(ctx): return Task('first', int)\n")
    assert place.up("--run-id", "r").wait() == 0
    server = serving(place, "r", "--no-metrics", SMITHERS_API_KEY="secret")
    assert server.request("/")[0] == 401
    bearer = {"Authorization": "Bearer secret"}
    assert server.request("/", **bearer)[1]["status"] == RunStatus.FINISHED
    assert server.request("/metrics", **bearer)[0] == 404
    assert "secret" not in server.text


@pytest.mark.slow
def test_a_run_or_a_port_that_is_not_there_is_said(place: Place) -> None:
    driver = waiting_driver(place)
    assert place.run("serve", "nope")[0] == 4
    port = serving(place).url.rpartition(":")[2]
    code, text = place.run("serve", "r", "--port", port)
    assert (code, port in text) == (4, True)
    assert driver.popen.poll() is None

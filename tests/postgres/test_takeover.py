"""A standby on another host relieves a driver that has died, was stopped, or cannot reach the database any more."""

import signal
from collections.abc import Callable

import pytest

from smithersd.core.log.events import NodeInterrupted
from smithersd.core.log.states import Interruption, RunStatus
from tests.postgres.host import Host
from tests.support.network import Network
from tests.support.place import Process
from tests.support.waiting import until

LEASE_S = 1.0
LOST = 5

TICKING = """
async def tick_until_relieved():
    while not Path("relieved").exists():
        with open("ticks", "a") as file: file.write(f"{time.time()}\\n")
        await asyncio.sleep(0.02)

@workflow
def ticking(ctx):
    return Sequence(Task("first", int), Task("ticks", tick_until_relieved), Task("last", int))
"""


def up(host: Host, *arguments: str) -> Process:
    host.write(TICKING)
    return host.up("--run-id", "r", "--lease", str(LEASE_S), *arguments)


def ticking(host: Host) -> Process:
    """A driver whose task is at work."""
    process = up(host, "--serve", "--port", "0")
    until(lambda: host.lines("ticks"), "the task's first effect")
    return process


def standing_by(host: Host) -> Process:
    """A driver whose task will find nothing to do, and that waits for its turn."""
    (host.folder / "relieved").touch()
    process = up(host, "--standby")
    process.until_text("This process stands by")
    return process


def goes_on(host: Host) -> None:
    """Wait until the task of a host has done more."""
    count = len(host.lines("ticks"))
    until(lambda: len(host.lines("ticks")) > count, "another effect")


def interruptions(host: Host) -> list[str]:
    return [one.event.reason.value for one in host.log("r") if isinstance(one.event, NodeInterrupted)]


def ends_as_loser(host: Host, process: Process, length: int) -> None:
    assert process.wait() == LOST
    assert "another driver has taken over the run" in process.text
    assert len(host.log("r")) == length, "it wrote after it had lost the run"
    assert not host.processes_left()


@pytest.mark.slow
def test_a_killed_host_is_relieved(here: Host, there: Host) -> None:
    first = ticking(here)
    second = standing_by(there)
    assert f"driven by process {first.popen.pid} on here" in second.text
    first.kill()
    assert second.wait() == 0
    assert interruptions(there) == [Interruption.LEASE_LOST], "nobody can know there that it died"


def test_a_stopped_host_is_relieved_and_writes_nothing_when_it_wakes(here: Host, there: Host) -> None:
    first = ticking(here)
    second = standing_by(there)
    first.signal(signal.SIGSTOP)
    assert second.wait() == 0
    length = len(there.log("r"))
    first.signal(signal.SIGCONT)
    ends_as_loser(here, first, length)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("trouble", [Network.cut, pytest.param(Network.fall_silent, marks=pytest.mark.slow)])
def test_a_host_that_was_cut_off_works_on_until_it_learns_that_it_was_relieved(
    cut_off: Host, there: Host, way: Network, trouble: Callable[[Network], None]
) -> None:
    first = ticking(cut_off)
    second = standing_by(there)
    trouble(way)
    assert second.wait() == 0
    length = len(there.log("r"))
    goes_on(cut_off)
    first.until_text("the store is not available")
    way.mend()
    ends_as_loser(cut_off, first, length)


def test_a_host_that_was_cut_off_and_not_relieved_goes_on(cut_off: Host, way: Network) -> None:
    first = ticking(cut_off)
    way.cut()
    first.until_text("the store is not available")
    goes_on(cut_off)
    assert first.request("/ready")[0] == 503
    (cut_off.folder / "relieved").touch()
    way.mend()
    first.until_text("Run finished")
    assert first.request("/ready")[0] == 200
    assert first.request("/")[1]["status"] == RunStatus.FINISHED
    assert not interruptions(cut_off)


@pytest.mark.slow
def test_force_on_another_host_relieves_at_once(here: Host, there: Host) -> None:
    here.write(TICKING)
    first = here.up("--run-id", "r", "--lease", "60")
    until(lambda: here.lines("ticks"), "the task's first effect")
    (there.folder / "relieved").touch()
    assert up(there, "--resume").wait() == 4
    assert up(there, "--resume", "--force").wait() == 0
    ends_as_loser(here, first, len(there.log("r")))

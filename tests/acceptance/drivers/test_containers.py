"""Two containers on one volume: neither sees the other's processes, so that only the lease tells who is there."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from smithersd.core.log.events import NodeInterrupted
from smithersd.core.log.states import Interruption
from tests.support.place import Place, Process
from tests.support.waiting import until

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""What tells one container from another here: a pid namespace of its own."""

FLOW = """
@workflow
def ticking(ctx):
    return Sequence(
        Shell("ticks", "test -e relieved || while true; do echo tick >> ticks; sleep 0.02; done"),
        Task("last", int),
    )
"""

pytestmark = pytest.mark.skipif(
    subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode != 0,
    reason="only root may make pid namespaces",
)


def container(place: Place, name: str, *arguments: str) -> Process:
    named = ("--run-id", "r", "--standby", "--pid-file", f"{name}.pid", "--lease", "0.6")
    return place.start("up", "flow.py", *named, *arguments, within=CONTAINER)


def both(place: Place) -> tuple[Process, Process]:
    """A driver whose command is at work, and one that stands by."""
    place.write(FLOW)
    first = container(place, "first")
    until(lambda: place.lines("ticks"), "the command's first effect")
    second = container(place, "second")
    second.until_text("driven by process 2 on")
    (place.folder / "relieved").touch()
    return first, second


def inner_pid(process: Process) -> int:
    """The driver itself, as it is numbered outside of its container: the child of its process 1."""
    pid = process.popen.pid
    for _ in range(2):
        pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    return pid


def reasons(place: Place) -> list[str]:
    return [one.event.reason for one in place.log("r") if isinstance(one.event, NodeInterrupted)]


def test_a_container_that_was_killed_is_followed_when_its_lease_has_run_out(place: Place) -> None:
    first, second = both(place)
    first.kill()
    assert second.wait() == 0
    assert reasons(place) == [Interruption.LEASE_LOST], "nobody can know here that it died"


def test_a_container_that_was_paused_ends_its_commands_when_it_is_back_and_was_replaced(place: Place) -> None:
    first, second = both(place)
    place.halt(inner_pid(first))
    assert second.wait() == 0
    assert reasons(place) == [Interruption.LEASE_LOST]
    length = len(place.log("r"))
    before = len(place.lines("ticks"))
    until(lambda: len(place.lines("ticks")) > before, "that its command goes on: both run at present")
    os.kill(inner_pid(first), signal.SIGCONT)
    assert first.wait() == 0, "it stood by again, and found the run finished"
    assert "another driver has taken over the run" in first.text
    assert not place.processes_left(), "its command is left"
    assert len(place.log("r")) == length


@pytest.mark.slow
def test_a_container_takes_the_run_of_another_by_force_with_a_pidfile_of_its_own(place: Place) -> None:
    place.write(FLOW)
    place.start("up", "flow.py", "--run-id", "r", within=CONTAINER)
    until(lambda: place.lines("ticks"), "the command's first effect")
    for flags in (("--standby",), ("--resume", "--force")):
        second = place.start("up", "flow.py", "--run-id", "r", *flags, within=CONTAINER)
        assert second.wait() == 4
        assert "its own --pid-file" in second.text
    forced = ("--resume", "--force", "--pid-file", "second.pid")
    place.start("up", "flow.py", "--run-id", "r", *forced, within=CONTAINER)
    until(lambda: reasons(place) == [Interruption.LEASE_LOST], "the take-over")


ORPHANS = """
@workflow
def orphans(ctx):
    return Sequence(
        Shell("background", "for i in 1 2 3 4; do (setsid sh -c 'echo $PPID >> parents') & done; echo started"),
        Shell("look", "while ps -o stat= | grep Z; do sleep 0.02; done"),
    )
"""


def test_process_1_of_a_container_reaps_orphans_and_tells_the_exit_code_of_the_run(place: Place) -> None:
    place.write(ORPHANS)
    assert place.start("up", "flow.py", "--run-id", "r", within=CONTAINER).wait() == 0
    place.write('@workflow\ndef failing(ctx):\n    return Shell("fails", "exit 3")\n')
    assert place.start("up", "flow.py", "--run-id", "r2", within=CONTAINER).wait() == 1


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, "suspended"), (signal.SIGINT, "cancelled")])
def test_process_1_of_a_container_passes_signals_on(place: Place, signum: signal.Signals, status: str) -> None:
    place.write('@workflow\ndef asking(ctx):\n    return Approval("go")\n')
    process = place.start("up", "flow.py", "--run-id", "r", within=CONTAINER)
    process.until_text("go")
    until(lambda: "RunStatusChanged" in place.types("r"), "the run")
    os.kill(process_1(process), signum)
    assert process.wait() == 128 + signum
    assert place.state("r").status == status


def test_a_signal_amid_the_import_ends_process_1(place: Place) -> None:
    place.write('Path("importing").touch()\ntime.sleep(60)\n')
    process = place.start("up", "flow.py", "--run-id", "r", within=CONTAINER)
    until((place.folder / "importing").exists, "the import")
    os.kill(process_1(process), signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM


def process_1(process: Process) -> int:
    pid = process.popen.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


@pytest.mark.slow
def test_a_container_made_anew_waits_for_the_lease_of_its_predecessor(place: Place) -> None:
    place.write(FLOW)
    named = ("up", "flow.py", "--run-id", "r", "--resume-or-start", "--lease", "1.5")
    first = place.start(*named, within=CONTAINER)
    until(lambda: place.lines("ticks"), "the command's first effect")
    (place.folder / "relieved").touch()
    first.kill()

    second = place.start(*named, within=CONTAINER)
    assert second.wait() == 0, second.text
    assert "for its lease to run out" in second.text

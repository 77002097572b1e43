"""Author code that takes the engine down or holds it: what the exit code, the log and the next process make of it."""

import pytest

from smithersd.core.log.events import NodeInterrupted
from smithersd.core.log.states import Interruption
from tests.support.flows import HOLDS_LOOP
from tests.support.place import Place
from tests.support.waiting import until

DEADLY = {
    "cancel": "async def deadly(): [one.cancel() for one in asyncio.all_tasks() if one is not asyncio.current_task()]",
    "stop": "async def deadly(): asyncio.get_running_loop().stop(); await asyncio.sleep(60)",
    "call-exit": "async def deadly(): asyncio.get_running_loop().call_soon(sys.exit, 0); await asyncio.sleep(60)",
    "exit-0": "def deadly(): os._exit(0)",
    "exit-1": "async def deadly(): os._exit(1)",
    "exec": "def deadly(): os.execvp('true', ['true'])",
}

FLOW = """
{deadly}

@workflow
def flow(ctx):
    return Sequence(Task("before", int), Task("deadly", int if Path("mended").exists() else deadly))
"""


@pytest.mark.parametrize("way", DEADLY)
def test_code_that_ends_the_engine_is_a_crash_with_a_code_of_its_own(place: Place, way: str) -> None:
    place.write(FLOW.format(deadly=DEADLY[way]))
    code, text = place.run("up", "flow.py", "--run-id", "r")
    assert code == 70, text
    assert "The engine has failed" in text or "ended this process by os." in text
    assert "RunSuspended" not in place.types("r")

    (place.folder / "mended").touch()
    assert place.run("up", "flow.py", "--run-id", "r", "--resume")[0] == 0
    told = [one.event for one in place.log("r")]
    assert [one.reason for one in told if isinstance(one, NodeInterrupted)] == [Interruption.CRASH]


def test_a_task_that_ends_its_engine_again_and_again_is_given_up(place: Place) -> None:
    place.write(FLOW.format(deadly=DEADLY["exit-0"]))
    codes = [place.run("up", "flow.py", "--run-id", "r", "--resume-or-start")[0] for _ in range(5)]
    assert codes == [70, 70, 70, 70, 1]
    error = place.state("r").error
    assert error is not None
    assert error.code == "INTERRUPTED_TOO_OFTEN"


def test_a_daemons_log_says_which_line_ended_it(place: Place) -> None:
    place.write(FLOW.format(deadly="def deadly():\n    time.sleep(0.2)\n    os._exit(0)"))
    assert place.run("up", "flow.py", "-d", "--run-id", "r", "--log-file", "log")[0] == 0
    until(lambda: "os._exit at" in (place.folder / "log").read_text())
    line = 1 + (place.folder / "flow.py").read_text().splitlines().index("    os._exit(0)")
    assert f"flow.py:{line} in deadly" in (place.folder / "log").read_text()


def test_a_child_that_a_task_forks_ends_as_it_likes(place: Place) -> None:
    place.write("""
        def forks():
            child = os.fork()
            if child == 0:
                os._exit(3)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3

        @workflow
        def flow(ctx):
            return Task("forks", forks)
        """)
    assert place.run("up", "flow.py", "--run-id", "r")[0] == 0


def test_nobody_takes_a_run_from_a_process_whose_loop_is_held(place: Place) -> None:
    place.write(HOLDS_LOOP)
    up = place.up("--run-id", "r", "--lease", "1")
    up.until_text(r"blocked for 1 s by task 'holds', at flow.py:\d+ in holds")
    lease_end_ms = _lease_end_ms(place)
    until(lambda: _lease_end_ms(place) > lease_end_ms + 1_500, "renewals beyond the whole lease")
    code, text = place.run("up", "flow.py", "--run-id", "r", "--resume", "--lease", "1")
    assert code == 4
    assert "already has a process" in text or "is driven by" in text
    (place.folder / "go").touch()
    assert up.wait() == 0
    assert "RunResumed" not in place.types("r")


def _lease_end_ms(place: Place) -> int:
    row = place.row("r")
    assert row is not None
    return row.lease_expires_at_ms or 0

"""Starts and stops at the same time: of many starts one wins, and a stop that returns has stopped."""

import random
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.daemons import Daemon, DaemonPlace
from tests.support.flows import WAITS
from tests.support.place import Process
from tests.support.waiting import until

QUICK = """
@workflow
def quick(ctx):
    return Parallel(*(Shell(f"step-{i}", "sleep 0.0$(($$ % 10))") for i in range(3)))
"""
ROUNDS = 12
LOOPS = pytest.param(ROUNDS, marks=pytest.mark.slow)


def start_at_once(place: DaemonPlace, count: int, *flags: str) -> list[Process]:
    processes = [place.up("-d", "--json", "--run-id", "r", *flags) for _ in range(count)]
    for process in processes:
        process.wait()
    return processes


def check_one_won(place: DaemonPlace, processes: list[Process]) -> int:
    """Check that one daemon is there and all other starts have said so; return its pid."""
    codes = [process.popen.returncode for process in processes]
    assert sorted(codes) == [0] + [4] * (len(codes) - 1), [process.text for process in processes]
    pid = int((place.state_folder / "runs" / "r" / "pid").read_text())
    winner = processes[codes.index(0)]
    assert f'"pid": {pid}' in winner.text
    for process in processes:
        if process is not winner:
            assert re.match(r"smithers: Run 'r' already has a process\. Process \d+ holds", process.text), process.text
    return pid


@pytest.mark.slow
def test_twenty_starts_of_a_run_leave_one_daemon_and_nineteen_clear_errors(place: DaemonPlace) -> None:
    place.write(WAITS)
    pid = check_one_won(place, start_at_once(place, 20, "--serve", "--port", "0"))
    assert place.processes_left() == [pid]
    assert place.types("r").count("RunStarted") == 1
    assert place.call("down", "r").code == 0
    assert place.has_nothing_of("r")


@pytest.mark.slow
def test_of_starts_and_resumptions_at_once_one_wins(place: DaemonPlace) -> None:
    place.write(WAITS)
    check_one_won(place, start_at_once(place, 4, "--resume-or-start"))
    assert place.call("down", "r", "--suspend").code == 0
    check_one_won(place, start_at_once(place, 4, "--resume"))
    assert place.call("down", "r").code == 0
    assert place.has_nothing_of("r")


def at_random_times(*actions: Callable[[], object]) -> list[object]:
    """Do things beside each other, each after a random moment; return what they return."""

    def late(action: Callable[[], object]) -> object:
        time.sleep(random.uniform(0, 0.6))
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(late, actions))


@pytest.mark.slow
def test_down_beside_up(place: DaemonPlace) -> None:
    """Whatever meets whatever: in the end `down` has stopped what there was, or `up` came after it."""
    place.write(WAITS)
    for i in range(ROUNDS):
        run_id = f"r{i}"
        up, down = at_random_times(
            lambda: place.up("-d", "--json", "--run-id", run_id).wait(),  # noqa: B023 - they are awaited here
            lambda: place.start("down", run_id).wait(),  # noqa: B023 - as above
        )
        assert up == 0
        if down == 0:
            assert place.status(run_id) == "cancelled"
        else:
            assert place.call("down", run_id).code == 0
        assert place.has_nothing_of(run_id)


@pytest.mark.parametrize("rounds", [1, LOOPS])
def test_down_beside_a_run_that_is_about_to_end(place: DaemonPlace, rounds: int) -> None:
    place.write(QUICK)
    for i in range(rounds):
        daemon = place.detach("--run-id", f"r{i}", *(("--serve", "--port", "0") if i % 2 else ()))
        flags = random.choice([(), ("--suspend",)])
        time.sleep(random.uniform(0, 0.1))
        said = place.call("down", daemon.run_id, *flags)
        assert said.code == 0, said.err
        assert place.status(daemon.run_id) in {"finished", "suspended" if flags else "cancelled"}
        assert f"{daemon.run_id} is " in said.out or f"{daemon.run_id} had already ended" in said.out
        assert place.has_nothing_of(daemon.run_id)


@pytest.mark.slow
def test_downs_beside_each_other(place: DaemonPlace) -> None:
    """Two signals would end the process the hard way: the second `down` waits for the first."""
    place.write("""
        async def tidies_up():
            Path("began").touch()
            try: await asyncio.sleep(300)
            finally:
                await asyncio.sleep(0.3)
                with open("tidied", "a") as file: print("up", file=file)

        @workflow
        def tidy(ctx):
            return Task("tidies", tidies_up)
        """)
    for i in range(ROUNDS):
        daemon = place.detach("--run-id", f"r{i}")
        until((place.folder / "began").exists)
        downs = [lambda: place.start("down", daemon.run_id).wait() for _ in range(3)]  # noqa: B023 - as above
        assert at_random_times(*downs) == [0, 0, 0]
        assert place.status(daemon.run_id) == "cancelled"
        assert place.has_nothing_of(daemon.run_id)
        assert place.lines("tidied") == ["up"] * (i + 1)


@pytest.mark.parametrize("rounds", [1, LOOPS])
def test_down_beside_a_kill(place: DaemonPlace, rounds: int) -> None:
    place.write(WAITS)
    for i in range(rounds):
        daemon = place.detach("--run-id", f"r{i}")
        _, down = at_random_times(lambda: kill(daemon), lambda: place.start("down", daemon.run_id).wait())  # noqa: B023
        assert down == 0
        assert place.status(daemon.run_id) == "cancelled"
        assert place.has_nothing_of(daemon.run_id)


def kill(daemon: Daemon) -> None:
    if daemon.is_alive:
        daemon.signal(signal.SIGKILL)


def test_down_while_a_daemon_is_about_to_begin_its_run(place: DaemonPlace) -> None:
    place.write("""
        def slow_tree(ctx):
            if Path("imported").exists() and not Path("go").exists():
                Path("rendering").touch()
                while not Path("go").exists(): time.sleep(0.01)
            return Approval("approval", title="Go?")

        waiting = workflow(slow_tree)
        Path("imported").touch()
        """)
    (place.folder / "go").touch()
    assert place.up("--run-id", "other", "--no-wait").wait() == 3
    (place.folder / "go").unlink()
    starter = place.up("-d", "--run-id", "r")
    until((place.folder / "rendering").exists)
    down = place.start("down", "r")
    (place.folder / "go").touch()
    assert starter.wait() == 0
    assert down.wait() == 0
    assert place.status("r") == "cancelled"
    assert place.has_nothing_of("r")


@pytest.mark.slow
def test_suspended_and_taken_up_again_and_again_nothing_is_done_twice(place: DaemonPlace) -> None:
    place.write("""
        async def note(i):
            await asyncio.sleep(0.02)
            with open("done", "a") as file: print(i, file=file)

        @workflow
        def noting(ctx):
            return Sequence(*(Task(f"step-{i}", note, i) for i in range(100)))
        """)
    place.detach("--run-id", "r")
    while place.status("r") != "finished":
        time.sleep(random.uniform(0, 0.5))
        assert place.call("down", "r", "--suspend").code == 0
        assert place.has_nothing_of("r")
        if place.status("r") != "finished":
            assert place.detach("--run-id", "r", "--resume").run_id == "r"
    assert place.lines("done") == [str(i) for i in range(100)]

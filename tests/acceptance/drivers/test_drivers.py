"""Several drivers of one run, stopped, woken and killed in any order: whatever happens, there is one log."""

import json
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass

import pytest

from smithersd.core.log.events import NodeFinished, NodeInterrupted, NodeStarted, Recorded
from smithersd.core.log.states import RunStatus
from smithersd.limits import LEASE_S
from tests.support.place import Place, Process
from tests.support.waiting import until

LOST = 5
SHORT_LEASE_S = 0.5
STUCK_S = 4.0
"""After so long without a step whoever is stopped is woken: on SQLite it may hold the file's lock."""

FLOW = """
async def step(name):
    with open("effects", "a") as file: file.write(name + "\\n")
    await asyncio.sleep(0.01)

@workflow
def steps(ctx: Context[int]):
    return Sequence(*(Task(f"step-{n}", step, f"step-{n}") for n in range(ctx.input)))
"""


@dataclass
class Driver:
    """One of the processes, all of which stand by for one another."""

    process: Process
    is_stopped: bool = False

    @property
    def is_alive(self) -> bool:
        return self.process.popen.poll() is None


class Drivers:
    """Processes that drive one run, and what befalls them."""

    def __init__(self, place: Place, count: int, steps: int, chance: random.Random) -> None:
        self._place = place
        self._chance = chance
        self._steps = steps
        place.write(FLOW)
        self.all = [self._started(number) for number in range(count)]
        self.codes: list[int] = []

    def _started(self, number: int) -> Driver:
        arguments = ("--run-id", "r", "--standby", "--pid-file", f"{number}.pid", "--lease", str(SHORT_LEASE_S))
        return Driver(self._place.up(*arguments, "--input", str(self._steps)))

    @property
    def has_ended(self) -> bool:
        return any(driver.process.popen.poll() == 0 for driver in self.all)

    def befall(self) -> None:
        """Let something happen to one of them, the present driver rather than another."""
        driver = self._present() if self._chance.random() < 0.7 else self._chance.choice(self.all)
        match self._chance.choice(("kill", "stop", "stop", "wake")):
            case "kill":
                driver.process.kill()
            case "stop" if driver.is_alive:
                driver.process.signal(signal.SIGSTOP)
                driver.is_stopped = True
            case _:
                self._wake(driver)

    def go_on(self, count: int) -> None:
        """Wait for so many steps more; whoever has gone is started anew."""
        goal = len(self._place.lines("effects")) + count
        stuck_at_s = time.monotonic() + STUCK_S

        def has_gone_on() -> bool:
            if time.monotonic() > stuck_at_s:
                self.wake_all()
            self.restart()
            return len(self._place.lines("effects")) >= goal or self.has_ended

        until(has_gone_on, lambda: str([driver.process.text[-2000:] for driver in self.all]))

    def wake_all(self) -> None:
        for driver in self.all:
            self._wake(driver)

    def restart(self) -> None:
        for number, driver in enumerate(self.all):
            if not driver.is_alive and driver.process.popen.poll() != 0:
                self.codes.append(driver.process.wait())
                self.all[number] = self._started(number)

    def finish(self) -> None:
        """Let the run end undisturbed; wait for all."""
        self.wake_all()

        def has_ended() -> bool:
            self.restart()
            return self.has_ended

        until(has_ended, "the run's end")
        self.codes += [driver.process.wait() for driver in self.all]

    def _wake(self, driver: Driver) -> None:
        if driver.is_stopped and driver.is_alive:
            driver.process.signal(signal.SIGCONT)
        driver.is_stopped = False

    def _present(self) -> Driver:
        row = self._place.row("r")
        pid = None if row is None or row.owner is None else json.loads(row.owner)["pid"]
        return next((one for one in self.all if one.process.popen.pid == pid), self.all[0])


def check_log(log: list[Recorded], effects: list[str], steps: int) -> None:
    """That the log has no gaps is seen when it is read."""
    names = [f"step-{number}" for number in range(steps)]
    finished = Counter(one.event.node_id for one in log if isinstance(one.event, NodeFinished))
    started = Counter(one.event.node_id for one in log if isinstance(one.event, NodeStarted))
    interrupted = Counter(one.event.node_id for one in log if isinstance(one.event, NodeInterrupted))
    assert finished == Counter(names), "each step has finished once"
    assert started == finished + interrupted, "a step starts again only when it was interrupted"
    done = Counter(effects)
    assert set(done) == set(names)
    assert all(done[name] <= started[name] for name in names), "an effect more than for each start"
    types = [type(one.event).__name__ for one in log]
    assert types.count("RunFinished") == 1
    assert types[-1] == "RunFinished"


def play(place: Place, *, count: int, steps: int, events: int) -> None:
    chance = random.Random()
    drivers = Drivers(place, count, steps, chance)
    drivers.go_on(5)
    for _ in range(events):
        drivers.befall()
        drivers.go_on(chance.randint(2, 5))
        if drivers.has_ended:
            break
    drivers.finish()
    assert set(drivers.codes) <= {0, LOST, -signal.SIGKILL}, [process.text for process in place.processes]
    assert place.state("r").status is RunStatus.FINISHED
    check_log(place.log("r"), place.lines("effects"), steps)


def test_two_drivers_that_are_stopped_woken_and_killed_write_one_log(place: Place) -> None:
    play(place, count=2, steps=50, events=4)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("count", [2, 3])
def test_drivers_that_are_stopped_woken_and_killed_write_one_log_over_a_long_run(place: Place, count: int) -> None:
    play(place, count=count, steps=200, events=35)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_stopped_driver_is_relieved_when_the_usual_lease_has_run_out(place: Place) -> None:
    place.write(FLOW.replace("sleep(0.01)", "sleep(300 if Path('effects').read_text() == name + '\\n' else 0)"))
    first = place.up("--run-id", "r", "--input", "3")
    until(lambda: place.lines("effects"), "the first step")
    second = place.up("--run-id", "r", "--standby", "--pid-file", "second.pid", "--input", "3")
    second.until_text("stands by")
    place.halt(first.popen.pid)
    stopped_at_s = time.monotonic()
    assert second.wait() == 0
    took_s = time.monotonic() - stopped_at_s
    assert took_s > LEASE_S / 2, "it had time left"
    first.signal(signal.SIGCONT)
    assert first.wait() == LOST
    check_log(place.log("r"), place.lines("effects"), 3)

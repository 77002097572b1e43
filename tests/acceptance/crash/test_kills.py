"""kill -9 at random instants, again and again, with a resumption each time."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress

import pytest

from smithersd.core.log.states import NodeState
from tests.support.place import Place, Process
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, until

KILLS = 20
STEPS = 100

FLOW = f"""
async def step(name):
    with open("effects", "a") as file: file.write(name + "\\n")
    await asyncio.sleep(0.02)

@workflow
def steps(ctx):
    return Sequence(*(Task(f"step-{{n}}", step, f"step-{{n}}") for n in range({STEPS})))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_step_that_was_seen_finished_is_never_done_again_and_a_kill_repeats_one_at_most(place: Place) -> None:
    place.write(FLOW)
    chance = random.Random()
    seen: Counter[str] = Counter()
    for _ in range(KILLS):
        up = place.up("--run-id", "r", "--resume-or-start")
        # Two steps on at least: then no more than two kills in a row can hit the same one.
        goal = len(place.lines("effects")) + chance.randint(2, 5)
        _await_effects(place, up, goal)
        time.sleep(chance.uniform(0, 0.03))
        up.kill()
        counted = Counter(place.lines("effects"))
        assert all(counted[name] == count for name, count in seen.items()), "a finished step was done again"
        finished = [node.node_id for node in place.state("r").nodes.values() if node.state is NodeState.FINISHED]
        seen = Counter({name: counted[name] for name in finished})
    assert place.up("--run-id", "r", "--resume-or-start").wait() == 0
    counted = Counter(place.lines("effects"))
    assert len(counted) == STEPS
    assert all(counted[name] == count for name, count in seen.items())
    assert counted.total() - STEPS <= KILLS
    types = place.types("r")
    assert types.count("RunFinished") == 1
    assert types[-1] == "RunFinished"


def _await_effects(place: Place, up: Process, count: int) -> None:
    until(lambda: len(place.lines("effects")) >= count or up.popen.poll() is not None, "progress")


class Follower(threading.Thread):
    """Reads /events, and comes back with Last-Event-ID whenever the stream breaks, until the terminal event."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.ids: list[int] = []
        self.types: list[str] = []
        self._url = url

    def run(self) -> None:
        while "RunFinished" not in self.types:
            with suppress(OSError, urllib.error.URLError):
                self._read()
            time.sleep(0.02)

    def _read(self) -> None:
        headers = {"Last-Event-ID": str(self.ids[-1])} if self.ids else {}
        with urllib.request.urlopen(urllib.request.Request(self._url, headers=headers), timeout=DEADLINE_S) as stream:
            event: dict[str, str] = {}
            for raw in stream:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                    continue
                if "data" in event:
                    self.ids.append(int(event["id"]))
                    self.types.append(json.loads(event["data"])["type"])
                event = {}


def test_a_stream_goes_on_without_a_gap_over_kills_and_resumptions_on_the_same_port(place: Place) -> None:
    place.write(FLOW)
    port = str(free_port())

    def up() -> Process:
        return place.up("--run-id", "r", "--resume-or-start", "--serve", "--port", port)

    first = up()
    follower = Follower(f"{first.url}/events")
    follower.start()
    until(lambda: len(place.lines("effects")) > 10, "steps")
    first.kill()
    second = up()
    until(lambda: len(place.lines("effects")) > 40, "steps")
    second.kill()
    up()
    follower.join(DEADLINE_S)
    assert follower.ids == list(range(len(place.log("r"))))
    assert follower.types == place.types("r")
    assert follower.types.count("RunResumed") == 2

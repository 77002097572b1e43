"""A run that waits for a time: how it shows, and that no kill makes it wait anew."""

import json

from smithersd.core.log import events
from smithersd.core.log.states import NodeState
from tests.support.place import Place

NAP = """
def done(): return "done"

@workflow
def nap(ctx):
    return Sequence(Timer("nap", {after!r}, label="A nap"), Task("after", done))
"""


def test_a_kill_while_a_timer_waits_neither_prolongs_nor_repeats_it(place: Place) -> None:
    place.write(NAP.format(after="3s"))
    up = place.up("--run-id", "r")
    up.until_text("nap fires at")
    up.kill()
    assert place.state("r").nodes["nap", 0].state is NodeState.WAITING_TIMER
    assert place.up("--run-id", "r", "--resume").wait() == 0
    log = place.log("r")
    (created,) = [one.event for one in log if isinstance(one.event, events.TimerCreated)]
    (fired_at_ms,) = [one.timestamp_ms for one in log if isinstance(one.event, events.TimerFired)]
    assert fired_at_ms >= created.fires_at_ms
    assert place.types("r")[-1] == "RunFinished"


def test_a_run_that_waits_for_a_time_is_left_on_request_and_shows_it_everywhere(place: Place) -> None:
    place.write(NAP.format(after="2d"))
    code, said = place.run("up", "flow.py", "--run-id", "r", "--no-wait")
    assert code == 3, said
    _, tree = place.run("inspect", "r")
    assert "waiting-timer" in tree
    assert "until 20" in tree
    _, document = place.run("inspect", "r", "--json")
    (nap, _) = json.loads(document)["nodes"]
    assert (nap["kind"], nap["state"]) == ("timer", "waiting-timer")
    _, graph = place.run("graph", "flow.py")
    assert 'nap    timer  waits 2d00h, "A nap"' in graph
    assert place.run("cancel", "r")[0] == 0
    assert place.state("r").nodes["nap", 0].state is NodeState.CANCELLED


def test_a_served_run_says_that_it_waits_for_a_time(place: Place) -> None:
    place.write(NAP.format(after="2d"))
    up = place.up("--run-id", "r", "--serve", "--port", "0")
    up.until_text("nap fires at")
    _, told = up.request("/")
    assert told["status"] == "waiting-timer"
    assert told["summary"] == {"waiting-timer": 1, "pending": 1}
    _, listed = place.run("ps", "--json")
    (run,) = json.loads(listed)
    assert run["status"] == "waiting-timer"

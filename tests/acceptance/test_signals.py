"""Signals to a live run: what ends, how fast, and what can go on afterwards."""

import signal

import pytest

from tests.support.flows import WAITS
from tests.support.place import Place, Process
from tests.support.waiting import until

INT, TERM = signal.SIGINT, signal.SIGTERM
CODES = {INT: 130, TERM: 143}
STATUSES = {INT: "cancelled", TERM: "suspended"}

TASKS = """
async def waits():
    Path("began").touch()
    await asyncio.sleep(300)

def is_deaf():
    Path("began").touch()
    while True: time.sleep(0.1)

def listens():
    Path("began").touch()
    while not task_context().cancelled: time.sleep(0.01)
    raise InterruptedError("told to end")

async def never_ends():
    Path("began").touch()
    while True:
        try: await asyncio.sleep(300)
        except asyncio.CancelledError: pass

async def blocks_the_loop():
    Path("began").touch()
    time.sleep(300)

@workflow
def single(ctx: Context[str]):
    if ctx.input == "shell":
        return Shell("work", "trap 'touch told; exit 1' TERM; touch began; while true; do sleep 0.05; done")
    return Task("work", globals()[ctx.input])
"""


@pytest.fixture
def begin(place: Place):
    """Start a run of one task and wait until that is under way."""

    def start(task: str) -> Process:
        place.write(TASKS)
        up = place.up("--run-id", "r", "--input", f'"{task}"')
        until((place.folder / "began").exists, "the task")
        return up

    return start


@pytest.mark.parametrize(
    ("task", "number"), [("waits", INT), ("waits", TERM), ("listens", TERM), ("shell", INT), ("shell", TERM)]
)
def test_sigint_cancels_and_sigterm_suspends(place: Place, begin, task: str, number: signal.Signals) -> None:
    up = begin(task)
    up.signal(number)
    assert up.wait() == CODES[number]
    state = place.state("r")
    assert state.status == STATUSES[number]
    assert state.nodes["work", 0].attempts[-1].state == ("cancelled" if number is INT else "interrupted")
    assert task != "shell" or (place.folder / "told").exists()


@pytest.mark.parametrize("task", ["is_deaf", "never_ends"])
def test_a_task_that_does_not_end_is_left_behind_after_the_grace(place: Place, begin, task: str) -> None:
    up = begin(task)
    up.signal(TERM)
    up.until_text("Suspending the run.* A second signal ends at once")
    assert up.wait() == 143
    assert place.types("r")[-2:] == ["NodeInterrupted", "RunSuspended"]


@pytest.mark.parametrize(("task", "number"), [("is_deaf", INT), ("blocks_the_loop", INT), ("blocks_the_loop", TERM)])
def test_a_second_signal_ends_at_once_with_the_same_code(begin, task: str, number: signal.Signals) -> None:
    up = begin(task)

    def is_ended() -> bool:
        up.signal(number)  # again and again, as impatient people do
        return up.popen.poll() is not None

    until(is_ended, "the end")
    assert up.wait() == CODES[number]


def test_a_suspended_run_goes_on_and_the_interruption_uses_up_no_retry(place: Place) -> None:
    place.write("""
        async def work():
            if task_context().attempt == 1:
                Path("began").touch()
                await asyncio.sleep(300)

        @workflow
        def single(ctx):
            return Task("work", work)
        """)
    up = place.up("--run-id", "r")
    until((place.folder / "began").exists)
    up.signal(TERM)
    assert up.wait() == 143
    assert "smithers up flow.py --run-id r --resume" in up.text
    assert place.run("up", "flow.py", "--resume")[0] == 0
    assert place.state("r").nodes["work", 0].attempt == 2


def test_a_waiting_run_that_is_served_stops_for_either_signal(place: Place) -> None:
    place.write(WAITS)
    for number in (TERM, INT):
        up = place.up("--run-id", "r", "--resume-or-start", "--serve", "--port", "0")
        up.until_text("smithers approve")
        up.signal(number)
        assert up.wait() == CODES[number]
        assert place.state("r").status == STATUSES[number]
        assert ("without cancelling it: smithers down r --suspend" in up.text) == (number is INT)


def test_cancelled_over_http_the_process_serves_the_end(place: Place) -> None:
    place.write(WAITS)
    up = place.up("--run-id", "r", "--serve", "--port", "0")
    up.until_text("smithers approve")
    assert up.request("/cancel", {}) == (200, {"runId": "r"})
    assert up.request("/")[1]["status"] == "cancelled"
    up.signal(INT)
    assert up.wait() == 2

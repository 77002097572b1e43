"""What a task's code can know and say."""

import asyncio
import enum
import json
import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from smithersd.errors import UserError
from smithersd.executors import AttemptInfo, Succeeded, task_context
from smithersd.limits import HEARTBEAT_BYTES_MAX, PROGRESS_INTERVAL_S


def info(**changes):
    fields = {"run_id": "run", "node_id": "node", "iteration": 0, "attempt": 1, "last_heartbeat": None}
    return AttemptInfo(**{**fields, **changes})


def test_outside_of_a_task_it_says_so():
    with pytest.raises(UserError, match="outside of a task") as raised:
        task_context()
    assert "asyncio.to_thread" in (raised.value.remedy or "")


@pytest.mark.parametrize("is_async", [True, False])
async def test_it_tells_which_attempt_it_is(bench, is_async):
    def work():
        c = task_context()
        return [c.run_id, c.node_id, c.iteration, c.attempt, c.last_heartbeat, c.cancelled]

    async def work_async():
        await asyncio.sleep(0)
        return work()

    record = bench.function(work_async if is_async else work, last_heartbeat={"at": 7})

    assert await record.outcome() == Succeeded('["run","node-1",0,1,{"at":7},false]')


async def test_threads_that_a_task_starts_with_to_thread_know_it_too(bench):
    async def work():
        return await asyncio.to_thread(lambda: task_context().node_id)

    assert await bench.function(work).outcome() == Succeeded('"node-1"')


def test_the_idempotency_key_is_the_same_for_every_attempt_and_for_nothing_else():
    key = info().idempotency_key

    assert info(attempt=2, last_heartbeat=1).idempotency_key == key
    others = [info(run_id="run2"), info(node_id="node2"), info(iteration=1), info(run_id="runn", node_id="ode")]
    assert len({key, *(other.idempotency_key for other in others)}) == 5


def test_the_idempotency_key_fits_a_header_whatever_the_ids_are():
    key = info(run_id="r" * 200, node_id="\u2603" * 200).idempotency_key

    assert (len(key), key.isascii()) == (32, True)


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_last_heartbeat_and_progress_arrive_before_the_end(bench, is_async):
    def work():
        for number in range(1_000):
            task_context().heartbeat({"done": number})
            task_context().progress(number, 1_000, f"step {number}")

    async def work_async():
        work()

    record = bench.function(work_async if is_async else work)
    await record.outcome()

    assert record.of("heartbeat")[-1] == {"done": 999}
    assert record.of("progressed")[-1] == (999, 1_000, "step 999")
    assert len(record.of("heartbeat")) <= 3, "throttled"
    assert len(record.of("progressed")) <= 3, "throttled"


async def test_the_first_report_is_told_at_once_and_the_next_after_the_interval(bench):
    times: list[float] = []
    loop = asyncio.get_running_loop()

    async def work():
        for number in range(3):
            task_context().progress(number)
            task_context().heartbeat(number)
            await record.until(lambda r: r.of("progressed") and r.of("heartbeat"))
        times.append(loop.time())
        await record.until(lambda r: len(r.of("progressed")) == 2 and len(r.of("heartbeat")) == 2)
        times.append(loop.time())

    record = bench.function(work)
    start = loop.time()
    await record.outcome()

    assert [done for done, _, _ in record.of("progressed")] == record.of("heartbeat") == [0, 2]
    assert times[0] - start < PROGRESS_INTERVAL_S / 2
    assert times[1] - times[0] > PROGRESS_INTERVAL_S * 0.9


async def test_reports_go_on_after_a_pause(bench):
    async def work():
        for number in range(3):
            task_context().progress(number)
            await record.until(lambda r, number=number: r.of("progressed")[-1:] == [(number, None, None)])

    record = bench.function(work)

    assert isinstance(await record.outcome(), Succeeded)


async def test_heartbeat_data_is_taken_as_it_was(bench):
    async def work():
        data = [1]
        task_context().heartbeat(data)
        data.append(2)

    record = bench.function(work)
    await record.outcome()

    assert record.of("heartbeat") == [[1]]


def nested(depth):
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "data",
    [
        object(),
        {1, 2},
        float("nan"),
        float("inf"),
        {"a": b"x"},
        "\ud800",
        nested(101),
        nested(250),
        nested(100_000),
        {(1, 2): 3},
    ],
    ids=[
        "object",
        "set",
        "nan",
        "infinity",
        "bytes",
        "surrogate",
        "too deep",
        "too deep to read",
        "too deep to write",
        "tuple as key",
    ],
)
async def test_heartbeat_data_that_is_no_json_is_the_authors_error(bench, data):
    async def work():
        task_context().heartbeat(data)

    record = bench.function(work)
    outcome = await record.outcome()

    assert outcome.error.name == "UserError"
    assert "heartbeat data of task 'node-1' cannot be written as JSON" in outcome.error.message
    assert record.of("heartbeat") == []


async def test_heartbeat_data_has_a_limit_in_bytes(bench):
    async def work(length):
        task_context().heartbeat("é" * length)

    fitting = bench.function(work, HEARTBEAT_BYTES_MAX // 2 - 1)
    assert isinstance(await fitting.outcome(), Succeeded)
    outcome = await bench.function(work, HEARTBEAT_BYTES_MAX // 2).outcome()
    assert "65,538 bytes; at most 65,536 are allowed" in outcome.error.message


@pytest.mark.parametrize("number", [float("nan"), float("-inf"), "3", 10**400, 1j], ids=repr)
async def test_progress_takes_finite_numbers_only(bench, number):
    async def work(*arguments):
        task_context().progress(*arguments)

    for arguments in [(number,), (1, number)]:
        assert (await bench.function(work, *arguments).outcome()).error.name == "UserError"


class Shade(enum.IntEnum):
    DARK = 2


class Count:
    """A number of a type of its own, as numeric libraries have them."""

    def __init__(self, number: Any) -> None:
        self._number = number

    def __index__(self) -> int:
        index: int = self._number.__index__()
        return index

    def __float__(self) -> float:
        return float(self._number)

    def __repr__(self) -> str:
        raise RuntimeError("not even shown")


@pytest.mark.parametrize(
    ("number", "recorded"),
    [(Count(3), 3), (Fraction(1, 4), 0.25), (Decimal("2.5"), 2.5), (True, 1), (Shade.DARK, 2)],
    ids=lambda one: type(one).__name__,
)
async def test_progress_of_any_numeric_type_is_recorded_as_a_plain_number(bench, number, recorded):
    async def work():
        task_context().progress(number, number)

    record = bench.function(work)
    assert isinstance(await record.outcome(), Succeeded)
    ((done, total, _),) = record.of("progressed")
    assert done == total == recorded
    assert type(done) in {int, float}


@pytest.mark.parametrize("number", [Count(float("nan")), Count("three")], ids=["nan", "text"])
async def test_a_number_that_cannot_even_be_shown_fails_its_attempt_only(bench, number):
    async def work():
        task_context().progress(number)

    assert (await bench.function(work).outcome()).error.name == "UserError"


async def test_a_progress_message_is_cut_and_made_to_fit(bench):
    async def work():
        task_context().progress(None, None, "\udcff" + "x" * 5_000)

    record = bench.function(work)
    await record.outcome()

    assert record.of("progressed") == [(None, None, "?" + "x" * 999)]


async def test_reports_from_many_threads_of_one_task_lose_no_last_one(bench):
    def report(number):
        for step in range(200):
            task_context().progress(step, number)
            task_context().heartbeat([step, number])

    async def work():
        await asyncio.gather(*(asyncio.to_thread(report, number) for number in range(4)))
        task_context().progress(-1)
        task_context().heartbeat(-1)

    record = bench.function(work)
    await record.outcome()

    assert record.of("progressed")[-1] == (-1, None, None)
    assert record.of("heartbeat")[-1] == -1


async def test_cancelled_is_seen_in_a_coroutine_and_in_its_threads(bench):
    is_told = threading.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            if await asyncio.to_thread(lambda: task_context().cancelled):
                is_told.set()

    record = bench.function(work)
    await asyncio.sleep(0)
    record.running.stop()
    await record.outcome()

    assert is_told.is_set()


async def test_a_task_that_outlives_its_attempt_reports_into_the_void(bench):
    contexts = []

    async def work():
        contexts.append(task_context())

    record = bench.function(work)
    await record.outcome()
    contexts[0].progress(1)
    contexts[0].heartbeat(json.loads("1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [what for what, _ in record.told] == ["ended"]

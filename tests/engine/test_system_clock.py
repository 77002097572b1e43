"""The machine's clock is put forward and back while a run goes on."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smithersd import Parallel, Store, Task, Timer, workflow
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.engine import SystemClock, start_run
from tests.support.runs import driven, log, until_state
from tests.support.waiting import DEADLINE_S

HOUR_MS = 3_600_000
_NS = 1_000_000


@pytest.fixture
def put_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Put the machine's clock forward or back, by this many milliseconds from what it really is."""
    now_ns = time.time_ns
    return lambda ahead_ms: monkeypatch.setattr(time, "time_ns", lambda: now_ns() + ahead_ms * _NS)


async def test_a_retry_does_not_wait_for_the_hour_that_the_clock_was_put_back(
    store: Store, put_clock: Callable[[int], None]
) -> None:
    tries: list[int] = []

    async def fails_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            put_clock(-HOUR_MS)
            raise ValueError

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", fails_once, retries=1, retry_delay=0.01)

    engine = await start_run(flow, store=store, run_id="r")
    async with asyncio.timeout(DEADLINE_S):
        assert await engine.drive() is RunStatus.FINISHED
    times = [one.timestamp_ms for one in await log(store)]
    assert times == sorted(times)
    assert times[-1] - times[0] < HOUR_MS


def test_it_follows_a_clock_that_is_put_forward_and_never_goes_back(put_clock: Callable[[int], None]) -> None:
    clock = SystemClock()
    before_ms = clock.now_ms()
    put_clock(HOUR_MS)
    assert HOUR_MS <= clock.now_ms() - before_ms < 2 * HOUR_MS
    put_clock(0)
    assert HOUR_MS <= clock.now_ms() - before_ms < 2 * HOUR_MS
    assert SystemClock().now_ms() - before_ms < HOUR_MS, "who comes later is not concerned"


async def test_a_date_comes_when_the_clock_is_put_forward_and_a_span_does_not(
    store: Store, put_clock: Callable[[int], None]
) -> None:
    @workflow
    def flow(_: Any) -> Any:
        until = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC) + timedelta(hours=1)
        return Parallel(Timer("date", until=until), Timer("span", "1h"))

    async with driven(flow, store):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        put_clock(2 * HOUR_MS)
        state = await until_state(store, lambda state: state.nodes["date", 0].state is NodeState.FINISHED)
        assert state.nodes["span", 0].state is NodeState.WAITING_TIMER

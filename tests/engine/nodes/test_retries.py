"""A failed attempt is tried again when its time has come, also by another process."""

import re
from typing import Any

import pytest

from smithersd import Sequence, Shell, Store, Task, Workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.engine import JumpingClock
from tests.support.clocks import StillClock
from tests.support.runs import crash_when, driven, events_of, log, node, run, story
from tests.support.waiting import until_async


def failing(times: int, **options: Any) -> tuple[Workflow[Any], list[int]]:
    """A workflow whose only task fails so often before it succeeds."""
    calls: list[int] = []

    async def work() -> int:
        calls.append(len(calls) + 1)
        if len(calls) <= times:
            raise ValueError(f"no {len(calls)}")
        return len(calls)

    @workflow(name="failing")
    def flow(_: Any) -> Any:
        return Task("a", work, **options)

    return flow, calls


async def test_an_attempt_that_fails_is_retried_until_it_succeeds(store: Store) -> None:
    flow, calls = failing(2, retries=2)
    state = await run(flow, store, clock=JumpingClock())
    assert state.status is RunStatus.FINISHED
    assert calls == [1, 2, 3]
    assert await story(store) == [
        "RunStarted",
        "NodeStarted a",
        "NodeFailed a",
        "NodeRetrying a",
        "NodeStarted a",
        "NodeFailed a",
        "NodeRetrying a",
        "NodeStarted a",
        "NodeFinished a",
        "RunFinished",
    ]


async def test_a_node_without_retries_left_fails_the_run_and_says_why(store: Store) -> None:
    flow, calls = failing(9, retries=1)
    state = await run(flow, store, clock=JumpingClock())
    assert calls == [1, 2]
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert state.error.code == "TASK_FAILED"
    assert re.fullmatch(r"task 'a' failed: no 2 \(tests/\S+/test_retries.py:\d+ in work\)", state.error.message)


@pytest.mark.parametrize(
    ("options", "delays_s"),
    [
        ({}, [1, 1, 1]),
        ({"retry_delay": 3, "backoff": "linear"}, [3, 6, 9]),
        ({"retry_delay": "2s", "backoff": "exponential", "max_delay": 5}, [2, 4, 5]),
    ],
)
async def test_the_delays_grow_as_the_options_say(store: Store, options: Any, delays_s: list[int]) -> None:
    flow, _ = failing(3, retries=3, **options)
    await run(flow, store, clock=JumpingClock())
    told = await log(store)
    due = [one.event.retry_at_ms - one.timestamp_ms for one in told if isinstance(one.event, events.NodeRetrying)]
    assert due == [1000 * delay for delay in delays_s]


async def test_jitter_only_takes_from_a_delay(store: Store) -> None:
    flow, _ = failing(8, retries=8, retry_delay=10, jitter=0.5)
    await run(flow, store, clock=JumpingClock())
    told = await log(store)
    due = [one.event.retry_at_ms - one.timestamp_ms for one in told if isinstance(one.event, events.NodeRetrying)]
    assert all(5_000 <= delay <= 10_000 for delay in due)
    assert len(set(due)) > 1


async def test_a_retry_keeps_its_due_time_through_a_crash(store: Store) -> None:
    clock = StillClock()
    flow, calls = failing(1, retries=1, retry_delay=60)
    await crash_when(flow, store, lambda engine: engine.state.nodes["a", 0].retry_at_ms is not None, clock=clock)
    (retrying,) = await events_of(store, events.NodeRetrying)
    assert retrying.retry_at_ms == clock.now_ms() + 60_000
    async with driven(flow, store, clock=clock) as (engine, driving):
        await until_async(lambda: clock.next_due_ms == retrying.retry_at_ms)
        assert engine.state.status is RunStatus.RUNNING, "backing off is running"
        assert calls == [1]
        clock.pass_ms(60_000)
        assert await driving is RunStatus.FINISHED
    assert calls == [1, 2]
    assert (await node(store, "a")).attempt == 2


async def test_a_retry_waits_no_longer_than_its_delay_after_a_restart_with_the_clock_put_back(store: Store) -> None:
    before = StillClock()
    flow, calls = failing(1, retries=1, retry_delay=60)
    await crash_when(flow, store, lambda engine: engine.state.nodes["a", 0].retry_at_ms is not None, clock=before)
    after = StillClock(before.now_ms() - 3_600_000)
    async with driven(flow, store, clock=after) as (engine, driving):
        await until_async(lambda: after.next_due_ms is not None)
        assert engine.state.nodes["a", 0].retry_at_ms == after.now_ms() + 60_000
        after.pass_ms(60_000)
        assert await driving is RunStatus.FINISHED
    assert calls == [1, 2]


async def test_a_shell_is_retried_like_a_task(store: Store, tmp_path: Any) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Shell("a", "test -e once || { touch once; exit 7; }", cwd=str(tmp_path), retries=1))

    state = await run(flow, store, clock=JumpingClock())
    assert state.status is RunStatus.FINISHED
    failed = (await node(store, "a")).attempts[0]
    assert failed.error is not None
    assert failed.error.code == "SHELL_FAILED"
    assert "7" in failed.error.message
    assert (await node(store, "a")).state is NodeState.FINISHED

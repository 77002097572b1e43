"""A run that takes longer than its workflow's timeout fails, also when nobody drove it meanwhile."""

import asyncio
from typing import Any

import pytest

from smithersd import Approval, Sequence, Store, Task, Timer, Workflow
from smithersd.core.log import events
from smithersd.core.log.states import Cancellation, NodeState, RunStatus
from smithersd.engine import request_cancel
from smithersd.errors import WorkflowError
from smithersd.testing import run_to_end
from tests.support.clocks import StillClock
from tests.support.runs import crash_when, decide, driven, events_of, node, run, story, until_state
from tests.support.waiting import until_async

HOUR_MS = 3_600_000


class SteppedClock(StillClock):
    """A still clock that somebody puts: what it shows to people differs from what has passed."""

    ahead_ms = 0

    def wall_ms(self) -> int:
        return self.now_ms() + self.ahead_ms


def limited(tree: Any, timeout: Any = "2h") -> Workflow[Any]:
    return Workflow(lambda _: tree(), name="limited", timeout=timeout)


def asks() -> Any:
    return Sequence(Approval("publish"), Task("after", print, "published"))


async def timed_out(store: Store) -> None:
    (failed,) = await events_of(store, events.RunFailed)
    assert failed.error.code == "RUN_TIMEOUT"
    assert failed.error.message == "The run took longer than its timeout of 7200 s."


async def test_a_run_that_waits_for_too_long_fails(store: Store) -> None:
    clock = StillClock()
    async with driven(limited(asks), store, clock=clock) as (engine, driving):
        await until_state(store, lambda state: bool(state.awaiting_approval))
        assert engine.state.times_out_at_ms == clock.now_ms() + 2 * HOUR_MS
        clock.pass_ms(2 * HOUR_MS - 1)
        assert engine.state.status is RunStatus.WAITING_APPROVAL
        clock.pass_ms(1)
        assert await driving is RunStatus.FAILED
    await timed_out(store)
    (cancelled,) = await events_of(store, events.NodeCancelled)
    assert cancelled.reason is Cancellation.RUN_FAILED


async def test_what_runs_is_ended_as_at_a_failure(store: Store) -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    clock = StillClock()
    async with driven(limited(lambda: Task("slow", slow, retries=3)), store, clock=clock) as (engine, driving):
        await until_async(lambda: bool(engine.live_keys))
        clock.pass_ms(2 * HOUR_MS)
        assert await driving is RunStatus.FAILED
    await timed_out(store)
    slow_node = await node(store, "slow")
    assert (slow_node.state, slow_node.attempt) == (NodeState.CANCELLED, 1)


async def test_a_run_that_ends_in_time_ends_as_it_does(store: Store) -> None:
    clock = StillClock()
    async with driven(limited(asks), store, clock=clock) as (_, driving):
        await until_state(store, lambda state: bool(state.awaiting_approval))
        clock.pass_ms(HOUR_MS)
        await decide(store, "publish")
        assert await driving is RunStatus.FINISHED


@pytest.mark.parametrize("passed_ms", [HOUR_MS, 3 * HOUR_MS])
async def test_time_without_a_driver_counts(store: Store, passed_ms: int) -> None:
    clock = StillClock()
    await crash_when(limited(asks), store, lambda engine: bool(engine.state.awaiting_approval), clock=clock)
    clock.pass_ms(passed_ms)
    async with driven(limited(asks), store, clock=clock) as (_, driving):
        if passed_ms == HOUR_MS:
            await until_async(lambda: clock.next_due_ms == clock.now_ms() + HOUR_MS)
            clock.pass_ms(HOUR_MS)
        assert await driving is RunStatus.FAILED
    await timed_out(store)


async def test_a_run_resumed_too_late_starts_nothing(store: Store) -> None:
    begun: list[str] = []

    def tree() -> Any:
        return Sequence(Timer("wait", "1h"), Task("after", begun.append, "after"))

    clock = StillClock()
    await crash_when(limited(tree), store, lambda engine: engine.state.status.is_waiting, clock=clock)
    clock.pass_ms(5 * HOUR_MS)
    assert (await run(limited(tree), store, clock=clock)).status is RunStatus.FAILED
    assert begun == []
    assert (await story(store))[-3:] == ["RunResumed", "NodeCancelled wait", "RunFailed"]


async def test_an_edit_of_the_timeout_counts_from_the_next_resumption(store: Store) -> None:
    clock = StillClock()
    await crash_when(limited(asks), store, lambda engine: bool(engine.state.awaiting_approval), clock=clock)
    started_at_ms = clock.now_ms()
    clock.pass_ms(3 * HOUR_MS)
    async with driven(limited(asks, "5h"), store, clock=clock) as (engine, _):
        assert engine.state.times_out_at_ms == started_at_ms + 5 * HOUR_MS
        await until_async(lambda: clock.next_due_ms == started_at_ms + 5 * HOUR_MS)
    async with driven(limited(asks, None), store, clock=clock) as (engine, driving):
        assert engine.state.times_out_at_ms is None
        await decide(store, "publish")
        assert await driving is RunStatus.FINISHED


@pytest.mark.parametrize("ahead_ms", [-3 * HOUR_MS, 3 * HOUR_MS])
async def test_a_clock_that_somebody_puts_does_not_move_the_timeout(store: Store, ahead_ms: int) -> None:
    clock = SteppedClock()
    async with driven(limited(asks), store, clock=clock) as (engine, driving):
        await until_state(store, lambda state: bool(state.awaiting_approval))
        clock.ahead_ms = ahead_ms
        clock.ring_all()
        await until_async(lambda: engine.is_idle)
        assert engine.state.status is RunStatus.WAITING_APPROVAL
        clock.pass_ms(2 * HOUR_MS)
        assert await driving is RunStatus.FAILED
    await timed_out(store)


async def test_a_cancel_and_a_timeout_in_one_moment_end_the_run_once(store: Store) -> None:
    clock = StillClock()
    async with driven(limited(asks), store, clock=clock) as (_, driving):
        await until_state(store, lambda state: bool(state.awaiting_approval))
        await request_cancel(store, "r", clock=clock)
        clock.pass_ms(2 * HOUR_MS)
        assert await driving in {RunStatus.CANCELLED, RunStatus.FAILED}
    assert len(await events_of(store, events.RunCancelled)) + len(await events_of(store, events.RunFailed)) == 1


async def test_tests_of_authors_do_not_wait_for_a_timeout_and_do_not_meet_it_before_a_decision() -> None:
    decided = await run_to_end(limited(asks))
    assert decided.status is RunStatus.FINISHED
    late = await run_to_end(limited(lambda: Timer("wait", "3h")))
    assert late.error is not None
    assert late.error.code == "RUN_TIMEOUT"
    early = await run_to_end(limited(lambda: Timer("wait", "1h")))
    assert early.status is RunStatus.FINISHED


def test_a_timeout_that_is_none_is_refused() -> None:
    for timeout in (0, -1, "soon", True):
        with pytest.raises(WorkflowError, match="timeout of workflow 'limited' is"):
            limited(asks, timeout)

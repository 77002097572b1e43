"""The engine's own death: a crash for the run, which goes on with the next driver, and no suspension."""

import asyncio
from typing import Any

import pytest

from smithersd import Store, Task, task_context, workflow
from smithersd.core.log import events
from smithersd.core.log.states import Interruption, RunStatus
from smithersd.engine import RunOptions, StartMode, local_driver, start_run
from smithersd.engine.lease.owner import is_owner_dead
from smithersd.errors import EngineFailed
from tests.support.runs import events_of, run
from tests.support.waiting import DEADLINE_S, until_async


@workflow
def hangs(_: Any) -> Any:
    return Task("a", asyncio.Event().wait)


def cannot_bear_a_heartbeat(recorded: Any) -> None:
    """An observer that the engine cannot bear."""
    if any(isinstance(one.event, events.TaskHeartbeat) for one in recorded):
        raise ZeroDivisionError("a fault of ours")


@workflow
def beats(_: Any) -> Any:
    async def beat() -> None:
        task_context().heartbeat()
        await asyncio.Event().wait()

    return Task("a", beat)


async def test_what_an_engine_dies_of_is_a_crash_that_the_next_driver_finds_at_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await start_run(beats, store=store, run_id="r")
    engine.observe(cannot_bear_a_heartbeat)
    with pytest.raises(EngineFailed, match="ZeroDivisionError: a fault of ours"):
        await engine.drive()
    assert "the engine has failed" in caplog.text
    row = await store.run("r")
    assert row.status is RunStatus.RUNNING
    assert row.owner is not None
    assert is_owner_dead(row.owner), "its process lives, but drives no more"
    assert not row.is_leased
    assert not await events_of(store, events.RunSuspended)

    other = await start_run(beats, store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    (interrupted,) = await events_of(store, events.NodeInterrupted)
    assert interrupted.reason is Interruption.CRASH
    other.request_cancel()
    await other.drive()


async def test_a_task_that_makes_the_engine_die_is_given_up_at_last(store: Store) -> None:
    for _ in range(4):
        engine = await start_run(beats, store=store, run_id="r", options=RunOptions(mode=StartMode.EITHER))
        engine.observe(cannot_bear_a_heartbeat)
        with pytest.raises(EngineFailed):
            await engine.drive()
    state = await run(beats, store)
    assert state.error is not None
    assert state.error.code == "INTERRUPTED_TOO_OFTEN"


@pytest.mark.parametrize(("is_cancel_crash", "reason"), [(True, Interruption.CRASH), (False, Interruption.SUSPENDED)])
async def test_a_drive_that_is_cancelled_is_a_crash_where_nobody_can_mean_it(
    store: Store,
    is_cancel_crash: bool,  # noqa: FBT001 - a parameter of the test
    reason: Interruption,
) -> None:
    engine = await start_run(hangs, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive(is_cancel_crash=is_cancel_crash))
    await until_async(lambda: bool(engine.live_keys))
    driving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driving
    other = await start_run(hangs, store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    (interrupted,) = await events_of(store, events.NodeInterrupted)
    assert interrupted.reason is reason
    other.request_cancel()
    await other.drive()


async def test_a_run_that_is_being_taken_up_cannot_go_on_yet(store: Store) -> None:
    may_read, is_reading = asyncio.Event(), asyncio.Event()

    class SlowStore(Store):
        async def events(self, *arguments: Any, **options: Any) -> Any:
            is_reading.set()
            await may_read.wait()
            return await super().events(*arguments, **options)

    engine = await start_run(hangs, store=store, run_id="r")
    engine.request_suspend("test")
    await engine.drive()

    slow = SlowStore(store.database)
    preparing = asyncio.create_task(start_run(hangs, store=slow, run_id="r", options=RunOptions(mode=StartMode.RESUME)))
    await is_reading.wait()
    driver = local_driver(store.url, "r")
    assert driver is not None
    assert driver.problem is not None
    may_read.set()
    other = await preparing
    assert local_driver(store.url, "r") is None
    other.request_cancel()
    await other.drive()


async def test_a_resumption_that_takes_longer_than_the_lease_keeps_it(store: Store, other_store: Store) -> None:
    class SlowStore(Store):
        async def frames(self, *arguments: Any, **options: Any) -> Any:
            ends_ms: set[int | None] = set()
            while len(ends_ms) < 4:
                ends_ms.add((await other_store.run("r")).lease_expires_at_ms)
                await asyncio.sleep(0.01)
            return await super().frames(*arguments, **options)

    engine = await start_run(hangs, store=store, run_id="r")
    engine.request_suspend("test")
    await engine.drive()
    async with asyncio.timeout(DEADLINE_S):
        slow = SlowStore(store.database, lease_s=0.3)
        other = await start_run(hangs, store=slow, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    other.request_cancel()
    await other.drive()

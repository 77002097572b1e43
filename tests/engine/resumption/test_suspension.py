"""Stopping on purpose: what runs is interrupted and recorded, and the run goes on where it was."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from smithersd import Parallel, Sequence, Store, Task, run_workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.states import Interruption, NodeState, RunStatus
from smithersd.engine import Engine
from smithersd.errors import LeaseLost
from tests.support.runs import driven, events_of, node, run, story
from tests.support.waiting import until_async


async def test_a_suspended_run_goes_on_where_it_was(store: Store) -> None:
    calls: list[str] = []
    release = asyncio.Event()

    async def first() -> None:
        calls.append("first")

    async def second() -> None:
        calls.append("second")
        await release.wait()

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("first", first), Task("second", second))

    async with driven(flow, store) as (engine, driving):
        await until_async(lambda: calls == ["first", "second"])
        engine.request_suspend("maintenance")
        assert await driving is RunStatus.SUSPENDED
    row = await store.run("r")
    assert (row.status, row.owner, row.finished_at_ms) == (RunStatus.SUSPENDED, None, None)
    (interrupted,) = await events_of(store, events.NodeInterrupted)
    assert (interrupted.node_id, interrupted.reason) == ("second", Interruption.SUSPENDED)
    (suspended,) = await events_of(store, events.RunSuspended)
    assert suspended.reason == "maintenance"
    release.set()
    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert calls == ["first", "second", "second"]
    assert (await node(store, "second")).attempt == 2
    assert (await story(store)).count("RunStarted") == 1


async def until_started(engine: Engine) -> None:
    await until_async(lambda: bool(engine.live_keys))


async def test_an_interruption_uses_up_no_retry(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Task("a", asyncio.Event().wait)

    for _ in range(5):
        async with driven(flow, store) as (engine, driving):
            await until_started(engine)
            engine.request_suspend("again")
            assert await driving is RunStatus.SUSPENDED
    assert (await node(store, "a")).state is NodeState.PENDING


async def test_cancelling_run_workflow_suspends_the_run(store: Store) -> None:
    begun = asyncio.Event()

    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", waits)

    running = asyncio.create_task(run_workflow(flow, store=store, run_id="r"))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await store.run("r")).status is RunStatus.SUSPENDED


async def test_what_ends_at_the_moment_of_the_suspension_is_kept(store: Store) -> None:
    """Work that was done before the attempt heard that it is to end is not done again."""
    calls: list[str] = []

    async def stubborn() -> str:
        calls.append("a")
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "done all the same"

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Task("a", stubborn), Task("b", asyncio.Event().wait))

    async with driven(flow, store) as (engine, driving):
        await until_async(lambda: len(engine.live_keys) == 2 and bool(calls))
        engine.request_suspend("test")
        await driving
    assert await store.output("r", "a", 0) == '"done all the same"'


async def test_an_error_of_the_driver_is_raised_as_it_is_beside_an_abort(store: Store, other_store: Store) -> None:
    """No exception group comes out of run_workflow."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def works() -> None:
        begun.set()
        await may_end.wait()

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", works)

    running = asyncio.create_task(run_workflow(flow, store=store, run_id="r", abort=asyncio.Event()))
    await begun.wait()
    lease = await other_store.take_lease("r", (await store.run("r")).owner or "", is_dead=lambda _: True, force=True)
    may_end.set()
    with pytest.raises(LeaseLost):
        await running
    await other_store.release_lease("r", lease.fence)

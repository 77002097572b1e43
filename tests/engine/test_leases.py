"""One driver at a time: who has lost the lease writes nothing any more, and what it ran is ended."""

import asyncio
from typing import Any

import pytest

from smithersd import Sequence, Store, Task, workflow
from smithersd.core import events
from smithersd.core.states import Interruption, RunStatus
from smithersd.engine import StartMode, prepare_run, read_state
from smithersd.errors import LeaseLost, RunIsDriven, StoreUnavailable
from tests.engine.mortal import MortalStore
from tests.engine.runs import crash_when, driven, events_of, node, run, until, until_state


async def test_a_run_that_is_driven_is_not_taken_without_force(store: Store, other_store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Task("a", asyncio.Event().wait)

    async with driven(flow, store):
        with pytest.raises(RunIsDriven):
            await prepare_run(flow, store=other_store, run_id="r", mode=StartMode.RESUME)


async def test_a_driver_that_lost_the_lease_ends_its_attempts_and_writes_nothing(
    store: Store, other_store: Store
) -> None:
    ended: list[str] = []
    calls: list[str] = []

    async def works() -> str:
        calls.append("a")
        if len(calls) > 1:
            return "by the second driver"
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("a")

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("a", works), Task("b", works))

    engine = await prepare_run(flow, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until(lambda: calls == ["a"])
    other = await prepare_run(flow, store=other_store, run_id="r", mode=StartMode.RESUME, force=True)
    taken_over_at = (await read_state(store, "r")).last_seq
    engine.request_cancel()  # the first thing that makes it write
    with pytest.raises(LeaseLost):
        await driving
    assert ended == ["a"]
    assert (await read_state(store, "r")).last_seq == taken_over_at
    assert await other.drive() is RunStatus.FINISHED
    (interrupted,) = await events_of(store, events.NodeInterrupted)
    assert interrupted.reason is Interruption.LEASE_LOST
    assert (await node(store, "a")).crashes_in_row == 0, "a lost lease is no crash"


async def test_an_idle_driver_notices_the_loss_when_it_renews(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smithersd.engine.engine.LEASE_RENEWAL_S", 0.05)

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", asyncio.Event().wait)

    engine = await prepare_run(flow, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_state(store, lambda state: state.nodes["a", 0].attempt == 1)
    other = await prepare_run(flow, store=other_store, run_id="r", mode=StartMode.RESUME, force=True)
    with pytest.raises(LeaseLost):
        await driving
    other.request_cancel()
    await other.drive()


async def test_the_run_of_a_dead_process_is_taken_up_at_once(store: Store) -> None:
    calls: list[str] = []

    async def works() -> None:
        calls.append("a")
        if len(calls) == 1:
            await asyncio.Event().wait()

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", works)

    await crash_when(flow, store, lambda _: bool(calls))
    assert (await store.run("r")).is_leased
    assert (await run(flow, store)).status is RunStatus.FINISHED
    (resumed,) = await events_of(store, events.RunResumed)
    assert (resumed.fence, resumed.workflow_changed) == (2, False)
    (interrupted,) = await events_of(store, events.NodeInterrupted)
    assert interrupted.reason is Interruption.CRASH


async def test_what_hinders_a_resumption_is_told_even_when_the_lease_cannot_be_given_back(store: Store) -> None:
    """The store is gone between taking the lease and the first step: the first error is the one that counts."""

    class GoneStore(MortalStore):
        async def commit(self, _: Any) -> Any:
            raise StoreUnavailable("the first")

        async def release_lease(self, *_: Any) -> None:
            raise StoreUnavailable("the second")

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", asyncio.Event().wait)

    async with driven(flow, store):
        pass
    with pytest.raises(StoreUnavailable, match="the first"):
        await prepare_run(flow, store=GoneStore(store), run_id="r", mode=StartMode.RESUME)

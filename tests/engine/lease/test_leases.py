"""One driver at a time: who has lost the lease writes nothing any more, and what it ran is ended."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smithersd import Approval, Sequence, Store, Task, Workflow, open_store, workflow
from smithersd.core.log import events
from smithersd.core.log.states import Interruption, RunStatus
from smithersd.engine import Engine, RunOptions, StartMode, start_run
from smithersd.engine.lease.owner import Owner
from smithersd.errors import LeaseLost, RunIsDriven, StoreUnavailable
from smithersd.posix.process.identity import this_process
from smithersd.query.stored_log import read_state
from tests.support.mortal import MortalStore
from tests.support.runs import crash_when, decide, driven, events_of, no_renewal, node, run, story, until_state
from tests.support.waiting import DEADLINE_S, until_async


async def test_a_run_that_is_driven_is_not_taken_without_force(store: Store, other_store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Task("a", asyncio.Event().wait)

    async with driven(flow, store):
        with pytest.raises(RunIsDriven):
            await start_run(flow, store=other_store, run_id="r", options=RunOptions(mode=StartMode.RESUME))


def hanging_once() -> tuple[list[str], Workflow[Any]]:
    """A workflow whose task hangs the first time that it runs, and its calls."""
    calls: list[str] = []

    async def works() -> None:
        calls.append("a")
        if len(calls) == 1:
            await asyncio.Event().wait()

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", works)

    return calls, flow


async def test_a_driver_that_lost_the_lease_ends_its_attempts_and_writes_nothing(
    store: Store, other_store: Store
) -> None:
    ended: list[str] = []
    calls: list[str] = []

    async def works() -> str:
        calls.append("a")
        if len(calls) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("a")
        return "by the second driver"

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("a", works), Task("b", works))

    engine = await start_run(flow, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_async(lambda: calls == ["a"])
    other = await start_run(
        flow, store=other_store, run_id="r", options=RunOptions(mode=StartMode.RESUME, is_forced=True)
    )
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


@workflow
def hangs(_: Any) -> Any:
    return Task("a", asyncio.Event().wait)


async def driving_in(store: Store) -> "asyncio.Task[RunStatus]":
    """A driver whose task never ends and which has nothing to write."""
    engine = await start_run(hangs, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_state(store, lambda state: state.nodes["a", 0].attempt == 1)
    return driving


async def cancelled(engine: Engine) -> None:
    engine.request_cancel()
    await engine.drive()


@no_renewal
async def test_an_idle_driver_hears_of_the_loss_at_once(store: Store, other_store: Store) -> None:
    driving = await driving_in(store)
    other = await start_run(
        hangs, store=other_store, run_id="r", options=RunOptions(mode=StartMode.RESUME, is_forced=True)
    )
    with pytest.raises(LeaseLost):
        async with asyncio.timeout(DEADLINE_S):
            await driving
    await cancelled(other)


async def test_a_driver_that_hears_nothing_notices_the_loss_when_it_renews(store: Store, other_store: Store) -> None:
    class DeafStore(Store):
        def subscribe(self, *_: Any) -> Any:
            return lambda: None

    driving = await driving_in(DeafStore(store.database, lease_s=0.3))
    other = await start_run(
        hangs, store=other_store, run_id="r", options=RunOptions(mode=StartMode.RESUME, is_forced=True)
    )
    with pytest.raises(LeaseLost):
        await driving
    await cancelled(other)


async def test_attempts_of_a_driver_that_was_not_heard_of_for_too_long_did_not_crash(
    store: Store, other_store: Store
) -> None:
    paused = asyncio.Event()

    class PausedStore(Store):
        """That of a process which is stopped: it renews nothing."""

        async def renew_lease(self, *_: Any) -> None:
            await paused.wait()

    driving = await driving_in(PausedStore(store.database, lease_s=0.1))
    async with asyncio.timeout(DEADLINE_S):
        while (await other_store.run("r")).is_leased:  # noqa: ASYNC110 - the database's clock
            await asyncio.sleep(0.02)
    other = await start_run(hangs, store=other_store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    (interrupted,) = await events_of(other_store, events.NodeInterrupted)
    assert interrupted.reason is Interruption.LEASE_LOST
    assert (await node(other_store, "a")).crashes_in_row == 0
    paused.set()
    with pytest.raises(LeaseLost):
        await driving
    await cancelled(other)


async def test_a_lease_that_was_given_back_interrupts_and_is_no_crash(store: Store) -> None:
    """What a driver leaves that was told to stop while the store refused its last step."""

    class RefusingStore(MortalStore):
        is_refusing = False

        async def commit(self, commit: Any) -> Any:
            if self.is_refusing:
                raise StoreUnavailable("it refuses")
            return await super().commit(commit)

    refusing = RefusingStore(store)
    engine = await start_run(hangs, store=refusing, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_state(store, lambda state: state.nodes["a", 0].attempt == 1)
    refusing.is_refusing = True
    engine.request_suspend("test")
    with pytest.raises(StoreUnavailable):
        await driving
    assert (await store.run("r")).owner is None
    other = await start_run(hangs, store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    (interrupted,) = await events_of(store, events.NodeInterrupted)
    assert interrupted.reason is Interruption.SUSPENDED
    await cancelled(other)


async def test_a_run_that_ends_while_it_is_taken_up_is_only_looked_at(store: Store, other_store: Store) -> None:
    calls, flow = hanging_once()

    class SlowStore(Store):
        """Its caller has read the run's row when the run's driver ends it."""

        async def take_lease(self, *arguments: Any, **options: Any) -> Any:
            await run(flow, store)
            return await super().take_lease(*arguments, **options)

    async with driven(flow, store):
        await until_async(lambda: bool(calls))
    late = await start_run(
        flow, store=SlowStore(other_store.database), run_id="r", options=RunOptions(mode=StartMode.RESUME)
    )
    assert late.is_ended_before
    assert await late.drive() is RunStatus.FINISHED
    assert (await story(store))[-1] == "RunFinished"


async def test_the_run_of_a_dead_process_is_taken_up_at_once(store: Store) -> None:
    calls, flow = hanging_once()

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
        await start_run(flow, store=GoneStore(store), run_id="r", options=RunOptions(mode=StartMode.RESUME))


class CutOffStore(Store):
    """A store that can be cut off from its database: nothing gets through until it is back."""

    def __init__(self, store: Store, **options: Any) -> None:
        super().__init__(store.database, **options)
        self.is_cut_off = False

    async def commit(self, commit: Any) -> Any:
        return await self._through(super().commit(commit))

    async def renew_lease(self, *arguments: Any) -> None:
        await self._through(super().renew_lease(*arguments))

    async def driver_requests(self, *arguments: Any) -> Any:
        return await self._through(super().driver_requests(*arguments))

    async def _through(self, call: Any) -> Any:
        if self.is_cut_off:
            call.close()
            raise StoreUnavailable("it is cut off")
        return await call


class UnreadableInbox(Store):
    """A store whose inbox cannot be read so many times."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.database, lease_s=3_600)
        self.refusals = 0

    async def driver_requests(self, run_id: str, fence: int) -> Any:
        rows = await super().driver_requests(run_id, fence)
        if self.refusals:  # asked after the read, so that one which was under way when it was set is refused too
            self.refusals -= 1
            raise StoreUnavailable("no reading now")
        return rows


async def test_an_inbox_that_could_not_be_read_is_read_again_before_the_leases_renewal(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Approval("approval")

    unreadable = UnreadableInbox(store)
    engine = await start_run(flow, store=unreadable, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
    unreadable.refusals = 2
    await decide(unreadable, "approval")
    async with asyncio.timeout(DEADLINE_S):
        assert await driving is RunStatus.FINISHED
    assert "no reading now" in caplog.text


def two_steps(effects: list[str], *, beats: int) -> Any:
    """Two steps that have an effect from time to time."""

    async def works(name: str) -> None:
        for beat in range(beats):
            effects.append(f"{name} {beat}")
            await asyncio.sleep(0.01)

    @workflow(name="two-steps")
    def flow(_: Any) -> Any:
        return Sequence(Task("a", works, "a"), Task("b", works, "b"))

    return flow


async def test_what_runs_goes_on_while_its_driver_is_cut_off_and_nothing_new_starts(store: Store) -> None:
    effects: list[str] = []
    cut = CutOffStore(store, lease_s=0.1)
    engine = await start_run(two_steps(effects, beats=40), store=cut, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_async(lambda: bool(effects))
    cut.is_cut_off = True
    await until_async(lambda: engine.problem is not None)
    await until_async(lambda: "a 39" in effects)
    assert not (await store.run("r")).is_leased, "its lease ran out long ago"
    await asyncio.sleep(0.1)
    assert effects[-1] == "a 39"
    cut.is_cut_off = False
    assert await driving is RunStatus.FINISHED
    assert effects.count("a 39") == effects.count("b 39") == 1, "nobody had taken the run, so nothing was lost"


async def test_a_driver_that_was_cut_off_and_replaced_interrupts_its_tasks_when_it_is_back(
    store: Store, other_store: Store
) -> None:
    effects: list[str] = []
    cut = CutOffStore(store, lease_s=0.1)
    engine = await start_run(two_steps(effects, beats=10_000), store=cut, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_async(lambda: bool(effects))
    cut.is_cut_off = True
    async with asyncio.timeout(DEADLINE_S):
        while (await other_store.run("r")).is_leased:  # noqa: ASYNC110 - the database's clock
            await asyncio.sleep(0.01)
    other = await start_run(
        two_steps([], beats=10_000), store=other_store, run_id="r", options=RunOptions(mode=StartMode.RESUME)
    )
    seen = len(effects)
    await until_async(lambda: len(effects) > seen)  # it runs on both at present
    length = (await other_store.run("r")).last_seq
    cut.is_cut_off = False
    with pytest.raises(LeaseLost):
        await driving
    seen = len(effects)
    await asyncio.sleep(0.1)
    assert len(effects) == seen, "it went on after the lease was lost"
    assert (await other_store.run("r")).last_seq == length
    await cancelled(other)


def from_before_a_reboot() -> str:
    """An owner with our host's name that no process of this boot can be."""
    return Owner(replace(this_process(), boot_id="another")).to_text()


def in_another_container() -> str:
    """An owner of this boot whose pid means nothing to us, as a container's predecessor: its host's name is its id."""
    return Owner(replace(this_process(), host="3f2a9c1d5e7b", pid_namespace="pid:[1]")).to_text()


PREDECESSORS = pytest.mark.parametrize("predecessor", [from_before_a_reboot, in_another_container])


@PREDECESSORS
async def test_after_a_reboot_or_in_a_new_container_the_predecessors_lease_is_waited_for(
    tmp_path: Path, predecessor: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("a", lambda: 1), Approval("approval"))

    async with open_store(tmp_path / "runs.db", lease_s=1) as store:
        await crash_when(flow, store, lambda engine: engine.state.status is RunStatus.WAITING_APPROVAL)
        await store.take_lease("r", predecessor(), is_dead=lambda _: True)
        engine = await start_run(flow, store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
        assert "waiting 1 s for it to run out" in caplog.text
        await decide(store, "approval")
        assert await engine.drive() is RunStatus.FINISHED


@PREDECESSORS
async def test_a_driver_elsewhere_that_renews_its_lease_is_not_taken_for_our_predecessor(
    tmp_path: Path, predecessor: Callable[[], str]
) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Approval("approval")

    async with open_store(tmp_path / "runs.db", lease_s=1) as store:
        await crash_when(flow, store, lambda engine: engine.state.status is RunStatus.WAITING_APPROVAL)
        lease = await store.take_lease("r", predecessor(), is_dead=lambda _: True)

        async def renew() -> None:
            while True:
                await store.renew_lease("r", lease.fence)
                await asyncio.sleep(0.2)

        renewing = asyncio.create_task(renew())
        with pytest.raises(RunIsDriven):
            await start_run(flow, store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
        renewing.cancel()

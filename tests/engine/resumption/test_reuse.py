"""--from: a new run takes over what an ended one has done."""

import asyncio
from typing import Any

import pytest

from smithersd import Approval, Sequence, Store, Task, Workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.states import RunStatus
from smithersd.engine import RunOptions, StartMode, start_run
from smithersd.errors import RunNotFound, UserError
from smithersd.query.stored_log import read_state
from tests.support.mortal import MortalStore, bury
from tests.support.runs import decide, driven, events_of, until_state
from tests.support.waiting import until_async


def steps(calls: list[str], *, last: Any, name: str = "steps", first_output: Any = str) -> Workflow[Any]:
    async def work(step: str) -> Any:
        calls.append(step)
        return 7 if first_output is int else step

    @workflow(name=name)
    def flow(ctx: Any) -> Any:
        return Sequence(
            Task("one", work, "one", output=first_output),
            Approval("approval"),
            Task("two", work, "two"),
            Task("last", last),
        )

    return flow


async def breaks() -> None:
    raise ValueError("a bug")


async def works() -> str:
    return "mended"


async def a_failed_run(store: Store, calls: list[str]) -> None:
    async with driven(steps(calls, last=breaks), store, input={"version": 3}) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        await decide(store, "approval", by="ann")
        assert await driving is RunStatus.FAILED


async def test_a_new_run_takes_over_the_input_and_every_finished_output(store: Store) -> None:
    calls: list[str] = []
    await a_failed_run(store, calls)
    engine = await start_run(steps(calls, last=works), store=store, run_id="again", options=RunOptions(from_run="r"))
    assert await engine.drive() is RunStatus.FINISHED
    assert calls == ["one", "two"], "nothing is done twice"
    assert (await store.run("again")).input == '{"version":3}'
    (started,) = await events_of(store, events.RunStarted, "again")
    assert started.from_run_id == "r"
    finished = await events_of(store, events.NodeFinished, "again")
    assert {one.node_id: one.reused_from for one in finished} == {"one": "r", "approval": "r", "two": "r", "last": None}
    assert (await store.output("again", "approval", 0) or "").find("ann") > 0


async def test_what_no_longer_fits_or_is_of_another_kind_is_made_anew(store: Store) -> None:
    calls: list[str] = []
    await a_failed_run(store, calls)
    engine = await start_run(
        steps(calls, last=works, first_output=int), store=store, run_id="again", options=RunOptions(from_run="r")
    )
    assert await engine.drive() is RunStatus.FINISHED
    assert calls == ["one", "two", "one"]
    assert await store.output("again", "one", 0) == "7"


async def test_a_resumption_of_such_a_run_goes_on_taking_over(store: Store) -> None:
    """The flow reaches what can be taken over only after the crash."""
    calls: list[str] = []
    await a_failed_run(store, calls)
    begun = asyncio.Event()

    def longer(*, waits: bool) -> Workflow[Any]:
        async def new() -> None:
            begun.set()
            if waits:
                await asyncio.Event().wait()

        before = steps(calls, last=works).function

        @workflow(name="steps")
        def flow(ctx: Any) -> Any:
            return Sequence(Task("new", new), before(ctx))

        return flow

    life = MortalStore(store)
    engine = await start_run(longer(waits=True), store=life, run_id="again", options=RunOptions(from_run="r"))
    driving = asyncio.create_task(engine.drive())
    await until_async(begun.is_set)
    life.is_dead = True
    engine.request_cancel()
    await asyncio.wait([driving])
    assert type(driving.exception()).__name__ == "Died"
    bury(store, "again")
    engine = await start_run(
        longer(waits=False), store=store, run_id="again", options=RunOptions(mode=StartMode.RESUME)
    )
    assert await engine.drive() is RunStatus.FINISHED
    assert calls == ["one", "two"]


async def test_a_run_that_can_go_on_itself_is_not_taken_over(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Approval("approval")

    async with driven(flow, store, options=RunOptions(suspend_when_waiting=True)) as (_, driving):
        await driving
    with pytest.raises(UserError, match="has not ended"):
        await start_run(flow, store=store, run_id="again", options=RunOptions(from_run="r"))
    with pytest.raises(RunNotFound):
        await start_run(flow, store=store, run_id="again", options=RunOptions(from_run="nothing"))
    assert (await read_state(store, "again")).last_seq == -1

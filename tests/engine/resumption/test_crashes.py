"""What a resumption finds: nothing is done twice that was finished, and what kills its process is given up."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from smithersd import Context, Sequence, Store, Task, Workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.engine import Engine, RunOptions, StartMode, load_workflow, start_run
from smithersd.errors import InvalidInput, RunExists, RunNotFound, UserError, WorkflowError
from smithersd.query.stored_log import read_state
from tests.support.runs import crash_when, decide, driven, events_of, log, node, run, until_state


def when_called(calls: list[str], times: int) -> Callable[[Engine], bool]:
    return lambda _: len(calls) == times


async def test_a_task_that_kills_its_process_is_given_up_after_the_fourth_time(store: Store) -> None:
    calls: list[str] = []

    async def kills() -> None:
        calls.append("a")
        await asyncio.Event().wait()

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", kills, retries=5)

    for count in range(1, 5):
        await crash_when(flow, store, when_called(calls, count))
    state = await run(flow, store)
    assert len(calls) == 4
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert state.error.code == "INTERRUPTED_TOO_OFTEN"
    assert "4 times in a row" in state.error.message


async def test_suspensions_do_not_count_as_crashes(store: Store) -> None:
    calls: list[str] = []

    async def works() -> None:
        calls.append("a")
        if len(calls) < 6:
            await asyncio.Event().wait()

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", works)

    for count in (1, 2, 3):
        await crash_when(flow, store, when_called(calls, count))
    for _ in range(2):
        async with driven(flow, store):
            await until_state(store, lambda state: state.nodes["a", 0].state is NodeState.IN_PROGRESS)
    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert (await node(store, "a")).crashes_in_row == 3


class Size(BaseModel):
    size: int


class Measure(BaseModel):
    width: int


def measured(returns: type[BaseModel], *, name: str = "measured") -> Workflow[Any]:
    """A workflow whose first output is of a type that an edit may change."""

    async def measure() -> Any:
        return returns.model_validate(dict.fromkeys(returns.model_fields, 7))

    async def use(measure: Any) -> str:
        await asyncio.sleep(0)
        return repr(measure)

    @workflow(name=name)
    def flow(_: Any) -> Any:
        first = Task("measure", measure, output=returns)
        return Sequence(first, Task("pause", asyncio.sleep, 0, needs_approval=True), Task("use", use, first))

    return flow


async def test_an_output_that_no_longer_fits_fails_the_run_and_names_its_node(store: Store) -> None:
    async with driven(measured(Size), store, options=RunOptions(suspend_when_waiting=True)) as (_, driving):
        await driving
    await decide(store, "pause")
    state = await run(measured(Measure), store)
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert state.error.code == "INVALID_OUTPUT"
    assert "'measure'" in state.error.message
    assert "Measure" in state.error.message


async def test_an_output_that_no_longer_fits_what_the_workflow_reads_fails_the_run_too(store: Store) -> None:
    def reading(returns: type[BaseModel]) -> Workflow[Any]:
        async def measure() -> Any:
            return returns.model_validate(dict.fromkeys(returns.model_fields, 7))

        @workflow(name="reading")
        def flow(ctx: Context[Any]) -> Any:
            first = Task("measure", measure, output=returns)
            ctx.latest(first)
            return Sequence(first, Task("pause", asyncio.sleep, 0, needs_approval=True))

        return flow

    async with driven(reading(Size), store, options=RunOptions(suspend_when_waiting=True)) as (_, driving):
        await driving
    await decide(store, "pause", by="ann")
    state = await run(reading(Measure), store)
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert "'measure'" in state.error.message
    approval = state.nodes["pause", 0].approval
    assert approval is not None
    assert approval.decision is not None
    assert approval.decision.decided_by == "ann", "what was accepted before stands in the log"


async def test_another_workflow_under_the_same_run_id_is_refused_and_nothing_is_written(store: Store) -> None:
    async with driven(measured(Size), store, options=RunOptions(suspend_when_waiting=True)) as (_, driving):
        await driving
    before = await log(store)
    with pytest.raises(UserError, match="belongs to workflow 'measured', not to 'another'"):
        await start_run(
            measured(Size, name="another"), store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME)
        )
    assert await log(store) == before


async def test_a_resumption_with_an_edited_file_says_so(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "edited_flow.py"
    source = "from smithersd import Approval, workflow\n@workflow\ndef flow(ctx):\n    return Approval('approval')\n"
    for text in (source, source, source + "# edited\n"):
        file.write_text(text)
        engine = await start_run(
            load_workflow(str(file)),
            store=store,
            run_id="r",
            options=RunOptions(mode=StartMode.EITHER, suspend_when_waiting=True),
        )
        await engine.drive()
    assert [one.workflow_changed for one in await events_of(store, events.RunResumed)] == [False, True]


async def test_a_first_rendering_that_fails_writes_nothing(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        raise KeyError("typo")

    with pytest.raises(
        WorkflowError,
        match=r"workflow function 'flow' raised KeyError: 'typo' \(tests/\S+/test_crashes.py:\d+ in flow\)",
    ):
        await start_run(flow, store=store, run_id="r")
    assert await store.find_run("r") is None


async def test_a_resumption_whose_rendering_fails_writes_nothing_and_leaves_the_run_resumable(store: Store) -> None:
    is_broken = False

    @workflow
    def flow(_: Any) -> Any:
        if is_broken:
            raise KeyError("typo")
        return Task("pause", asyncio.sleep, 0, needs_approval=True)

    async with driven(flow, store, options=RunOptions(suspend_when_waiting=True)) as (_, driving):
        await driving
    before = await log(store)
    is_broken = True
    with pytest.raises(WorkflowError):
        await start_run(flow, store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    assert await log(store) == before
    assert (await store.run("r")).owner is None


async def test_modes_say_whether_a_run_may_or_must_exist(store: Store) -> None:
    with pytest.raises(RunNotFound):
        await start_run(measured(Size), store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    await run(measured(Size), store, options=RunOptions(suspend_when_waiting=True))
    with pytest.raises(RunExists) as raised:
        await start_run(measured(Size), store=store, run_id="r")
    assert "--resume" in (raised.value.remedy or "")


async def test_an_input_beside_a_resumption_must_be_the_same(store: Store) -> None:
    @workflow
    def flow(ctx: Context[dict[str, int]]) -> Any:
        return Task("pause", asyncio.sleep, 0, needs_approval=True)

    await run(flow, store, input={"a": 1}, options=RunOptions(suspend_when_waiting=True))
    await run(flow, store, input={"a": 1}, options=RunOptions(suspend_when_waiting=True))
    with pytest.raises(InvalidInput, match="differs"):
        await start_run(flow, store=store, run_id="r", input={"a": 2}, options=RunOptions(mode=StartMode.RESUME))


async def test_an_input_of_more_than_a_mebibyte_is_refused(store: Store) -> None:
    @workflow
    def flow(ctx: Context[str]) -> Any:
        return Task("a", len, ctx.input)

    assert (await run(flow, store, input="x" * (1024 * 1024 - 2))).status is RunStatus.FINISHED
    with pytest.raises(InvalidInput, match="at most 1048576 are allowed"):
        await start_run(flow, store=store, run_id="other", input="x" * 1024 * 1024)
    assert await store.find_run("other") is None


async def test_an_ended_run_is_not_driven_again(store: Store) -> None:
    calls: list[str] = []

    async def works() -> None:
        calls.append("a")

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", works)

    await run(flow, store)
    before = await read_state(store, "r")
    engine = await start_run(flow, store=store, run_id="r", options=RunOptions(mode=StartMode.RESUME))
    assert engine.is_ended_before
    assert await engine.drive() is RunStatus.FINISHED
    assert await read_state(store, "r") == before
    assert calls == ["a"]

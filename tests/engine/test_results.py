"""The result of a run: the output of what the workflow function returned, or of the element that it names."""

import asyncio
from typing import Any

import pytest

from smithersd import Approval, Branch, Group, Parallel, Sequence, Store, Task, Timer, Workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.states import RunStatus
from smithersd.engine import start_run
from smithersd.errors import ResultNotFound, WorkflowError
from smithersd.query.result import read_result
from smithersd.query.stored_log import read_state
from smithersd.testing import run_to_end
from tests.support.runs import crash_when, events_of, run


def one() -> int:
    return 1


def two() -> int:
    return 2


def fails() -> int:
    raise ValueError("no")


TREES: dict[str, tuple[Any, tuple[str, Any] | None]] = {
    "a task": (lambda: Task("a", two), ("a", 2)),
    "an approval": (lambda: Approval("ok"), ("ok", True)),
    "a sequence": (lambda: Sequence(Task("a", one), Task("b", two)), ("b", 2)),
    "sequences within": (lambda: Sequence(Task("a", one), Sequence(Task("b", two))), ("b", 2)),
    "a branch": (lambda: Branch("b", True, Task("a", one), Task("c", two)), ("a", 1)),  # noqa: FBT003 - the condition
    "the other way": (lambda: Branch("b", False, Task("a", one), Task("c", two)), ("c", 2)),  # noqa: FBT003 - so
    "a lazy subtree": (lambda: lambda _: Sequence(Task("a", one)), ("a", 1)),
    "a group": (lambda: Group("g", Sequence(Task("a", one), Task("b", two))), ("g/b", 2)),
    "a timer": (lambda: Sequence(Task("a", one), Timer("t", 0)), ("t", None)),
    "a way not taken": (lambda: Branch("b", False, Task("a", one)), None),  # noqa: FBT003 - the condition
    "nothing": (Sequence, None),
    "a parallel": (lambda: Parallel(Task("a", one), Task("b", two)), None),
    "what was skipped": (lambda: Sequence(Task("a", one), Task("b", two, skip_if=True)), None),
    "what failed and may": (lambda: Task("a", fails, continue_on_fail=True), None),
}


@pytest.mark.parametrize(("tree", "expected"), TREES.values(), ids=TREES)
async def test_the_result_is_the_output_of_what_the_function_returned(
    tree: Any, expected: tuple[str, Any] | None
) -> None:
    result = await run_to_end(Workflow(lambda _: tree(), name="flow"))
    assert result.status == "finished", result.error
    if expected is None:
        assert result.result is None
    else:
        node_id, value = expected
        assert result.result == result.outputs[node_id]
        assert value in (result.result, (result.result or {}).get("approved") if node_id == "ok" else value)


async def test_another_element_can_be_named_and_the_last_event_says_whose_output_it_is(store: Store) -> None:
    @workflow(result="report")
    def flow(_: Any) -> Any:
        return Sequence(lambda _: Task("report", two), Parallel(Task("mail", one), Task("clean", one)))

    state = await run(flow, store)
    assert await events_of(store, events.RunFinished) == [events.RunFinished("report", 0)]
    assert state.result == ("report", 0)
    assert await read_result(store, state) == "2"


@pytest.mark.parametrize("named", ["eu", "eu/deploy"])
async def test_a_group_or_what_is_inside_of_it_can_be_named(named: str) -> None:
    @workflow(result=named)
    def flow(_: Any) -> Any:
        return Sequence(Group("eu", Task("deploy", two)), Task("after", one))

    assert (await run_to_end(flow)).result == 2


async def test_a_run_without_a_result_says_so_and_why(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Task("a", one))

    state = await run(flow, store)
    assert await events_of(store, events.RunFinished) == [events.RunFinished()]
    with pytest.raises(ResultNotFound, match="its workflow ends without an output"):
        await read_result(store, state)


async def test_a_failed_run_has_no_result_whatever_has_finished(store: Store) -> None:
    @workflow(result="a")
    def flow(_: Any) -> Any:
        return Sequence(Task("a", one), Task("b", fails))

    state = await run(flow, store)
    assert state.status is RunStatus.FAILED
    with pytest.raises(ResultNotFound, match="it is failed"):
        await read_result(store, state)


async def test_the_result_is_the_same_after_a_crash(store: Store) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    def make(work: Any) -> Workflow[Any]:
        last = Task("last", work, output=Any)
        way = Branch("b", True, lambda _: Sequence(last))  # noqa: FBT003 - the condition
        return Workflow(lambda _: Sequence(Task("a", one), way), name="flow")

    await crash_when(make(hang), store, lambda engine: ("last", 0) in engine.live_keys)
    await run(make(lambda: {"done": True}), store)
    assert await read_result(store, await read_state(store, "r")) == '{"done":true}'


async def test_a_result_that_can_never_be_there_is_refused_before_anything_runs(store: Store) -> None:
    @workflow(result="reprot")
    def flow(_: Any) -> Any:
        return Sequence(Task("report", one))

    with pytest.raises(WorkflowError, match="The result of workflow 'flow' is to be the output of 'reprot'"):
        await start_run(flow, store=store, run_id="r")


@pytest.mark.parametrize("id", ["", "@0", 7], ids=repr)
def test_what_cannot_be_an_id_is_refused(id: Any) -> None:
    with pytest.raises(WorkflowError, match="result id"):
        workflow(result=id)(lambda _: Task("a", one))

"""Conditions: only a bool decides, and what cannot be one is told with the node's name."""

import functools
import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Sequence, Store, Task, workflow
from smithersd.core.log import events
from smithersd.elements.element import Condition
from smithersd.errors import WorkflowError
from tests.support.runs import events_of, run


async def is_trusted(_: object, *more: object) -> bool:
    return False


class Asks:
    async def __call__(self, _: object) -> bool:
        return False

    async def method(self, _: object) -> bool:
        return False


async def generates(_: object) -> Any:
    yield False


def yields(_: object) -> Any:
    yield False


def work() -> int:
    return 7


@pytest.mark.parametrize(
    "condition",
    [
        is_trusted,
        functools.partial(is_trusted, 1),
        functools.partial(functools.partial(is_trusted), 1),
        Asks(),
        functools.partial(Asks()),
        Asks().method,
        generates,
        yields,
    ],
    ids=["function", "partial", "nested partial", "object", "partial of one", "method", "async generator", "generator"],
)
def test_a_condition_that_is_not_plain_is_refused_where_it_is_given(condition: Any) -> None:
    for make, name in (
        (lambda: Task("a", work, skip_if=condition), "skip_if of task 'a'"),
        (lambda: Approval("a", skip_if=condition), "skip_if of approval 'a'"),
        (lambda: Branch("a", condition, then=Task("b", work)), "when of branch 'a'"),
    ):
        with pytest.raises(WorkflowError, match=f"{name} is an async or generator function") as refused:
            make()
        assert "plain function of the context" in (refused.value.remedy or "")


def test_an_async_function_in_the_place_of_an_element_is_refused_with_the_task_that_was_meant() -> None:
    with pytest.raises(WorkflowError, match="child of sequence is is_trusted, an async") as refused:
        Sequence(is_trusted)  # type: ignore[arg-type]
    assert "Task(id, is_trusted)" in (refused.value.remedy or "")


class Undecided:
    def __bool__(self) -> bool:
        raise TypeError("neither true nor false")

    def __repr__(self) -> str:
        raise TypeError("nothing to show")


ANSWERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a coroutine": (lambda ctx: is_trusted(ctx, "as well"), "returned a coroutine"),
    "a function": (lambda _: work, "returned <function work"),
    "an element": (lambda _: Task("x", work), "returned Task('x'), which is not a bool"),
    "a text": (lambda _: "no", "returned 'no', which is not a bool"),
    "nothing": (lambda _: None, "returned None, which is not a bool"),
    "one": (lambda _: 1, "returned 1, which is not a bool"),
    "an empty list": (lambda _: [], "returned [], which is not a bool"),
    "something undecided": (lambda _: Undecided(), "returned a value of type Undecided, which is not a bool"),
    "the truth of an element": (lambda _: bool(Task("x", work)), "Task('x') was used as a condition"),
}


@pytest.mark.parametrize(("answer", "said"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("place", ["task", "approval", "branch"])
async def test_a_condition_that_yields_no_bool_fails_the_run_and_passes_no_approval(
    store: Store, place: str, answer: Condition, said: str
) -> None:
    places = {
        "task": (Task("a", work, skip_if=answer), "skip_if of task 'a'"),
        "approval": (Approval("a", skip_if=answer), "skip_if of approval 'a'"),
        "branch": (Branch("a", answer, then=Task("b", work)), "condition of branch 'a'"),
    }
    element, name = places[place]

    @workflow
    def flow(_: Context[Any]) -> Any:
        return Sequence(element, Task("after", work))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = await run(flow, store)
        gc.collect()
    assert state.error is not None
    assert state.error.code == "WORKFLOW_ERROR"
    assert said in state.error.message
    if "used as a condition" not in said:
        assert name in state.error.message
    for passed in (events.NodeStarted, events.NodeSkipped, events.BranchDecided):
        assert not await events_of(store, passed)


async def test_a_workflow_or_subtree_that_returns_a_coroutine_is_told_so(store: Store) -> None:
    @workflow
    def flow(_: Context[Any]) -> Any:
        return lambda ctx: is_trusted(ctx, "as well")

    state = await run(flow, store)
    assert state.error is not None
    assert "lazy subtree at @0 returned a coroutine" in state.error.message

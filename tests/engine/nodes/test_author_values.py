"""What authors hand in may raise whenever it is looked at: that fails an attempt or the run, never the process."""

from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from smithersd import Branch, Context, Sequence, Store, Task, Workflow, task_context
from smithersd.core.log.states import RunStatus
from smithersd.testing import run_to_end
from tests.support.runs import run


class Speechless(Exception):
    """It cannot say what it is about."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Hostile:
    """It raises whatever it is asked."""

    def __len__(self) -> int:
        raise LookupError("no length")

    def __bool__(self) -> bool:
        raise LookupError("no truth")

    def __eq__(self, other: object) -> bool:
        raise LookupError("no equal")

    def __hash__(self) -> int:
        raise LookupError("no hash")

    def __repr__(self) -> str:
        raise LookupError("no name")

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)

    __str__ = __repr__


class Choosy(BaseModel):
    """Its validator looks things up."""

    number: int

    @field_validator("number")
    @classmethod
    def known(cls, number: int) -> int:
        return KNOWN[number]


KNOWN = {1: 1}


def fails() -> None:
    raise Speechless


async def fails_async() -> None:
    raise Speechless


def exits() -> None:
    raise SystemExit(Hostile())


def reports() -> None:
    task_context().progress(1, 2, Hostile())  # type: ignore[arg-type]


def counts() -> None:
    task_context().progress(Hostile())  # type: ignore[arg-type]


def beats() -> None:
    task_context().heartbeat(Hostile())


def returns() -> Any:
    return Hostile()


async def returns_async() -> Any:
    return [Hostile()]


def surrogates() -> None:
    raise ValueError("half \ud800")


@pytest.mark.parametrize(
    "function", [fails, fails_async, exits, reports, counts, beats, returns, returns_async, surrogates]
)
async def test_what_a_task_raises_or_hands_over_fails_the_task_only(function: Any) -> None:
    flow: Workflow[Any] = Workflow(
        lambda _: Sequence(Task("bad", function, continue_on_fail=True), Task("good", lambda: 1)), name="flow"
    )
    result = await run_to_end(flow)
    assert result.status == "finished", result.error
    assert result.outputs == {"good": 1}


def lazy(_: Context[Any]) -> Any:
    raise Speechless


def half(_: Context[Any]) -> Any:
    raise ValueError("half \ud800")


@pytest.mark.parametrize(
    "child",
    [
        lazy,
        half,
        lambda _: Hostile(),
        Branch("branch", lazy, then=Task("then", lambda: 1)),
        Branch("branch", lambda _: Hostile(), then=Task("then", lambda: 1)),  # type: ignore[arg-type, return-value]
        Task("skipped", lambda: 1, skip_if=lazy),
    ],
    ids=["lazy", "text", "child", "raising", "truth", "skip_if"],
)
async def test_what_a_subtree_or_a_condition_raises_fails_the_run(child: Any) -> None:
    flow: Workflow[Any] = Workflow(lambda _: Sequence(Task("first", lambda: 1), child), name="flow")
    result = await run_to_end(flow)
    assert result.error is not None
    assert result.error.code == "WORKFLOW_ERROR"


@pytest.mark.parametrize("is_read_by_context", [True, False])
async def test_a_validator_that_raises_on_stored_data_fails_the_run_and_names_the_node(
    store: Store,
    is_read_by_context: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forget() -> None:
        monkeypatch.setitem(KNOWN, 1, 1)
        monkeypatch.delitem(KNOWN, 1)

    made = Task("made", lambda: Choosy(number=1), output=Choosy)
    use: Any = (
        (lambda ctx: Task("use", len, [ctx.output(made)])) if is_read_by_context else Task("use", str, made, retries=3)
    )
    flow: Workflow[Any] = Workflow(lambda _: Sequence(made, Task("forget", forget), use), name="flow")
    state = await run(flow, store)
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert "output of node 'made'" in state.error.message
    assert "KeyError" in state.error.message

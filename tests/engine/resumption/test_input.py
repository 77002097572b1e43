"""A run's input is what it was when the run began, whatever its defaults are in a later process."""

from typing import Any

import pytest
from pydantic import BaseModel, Field

from smithersd import Approval, Context, Sequence, Store, Task, Workflow, run_workflow, workflow
from smithersd.core.log.states import RunStatus
from smithersd.engine import RunOptions, StartMode, start_run
from smithersd.errors import InvalidInput
from smithersd.testing import run_to_end
from tests.support.runs import RUN_ID, decide

ENVIRONMENT = {"target": "staging"}


class Order(BaseModel):
    target: str = Field(default_factory=lambda: ENVIRONMENT["target"])
    amount: int = 1


def deploying(seen: list[str], *, fails: bool = False) -> Workflow[Any]:
    async def deploy(target: str) -> None:
        seen.append(target)
        if fails:
            raise RuntimeError("not today")

    @workflow(name="deploying")
    def flow(ctx: Context[Order]) -> Any:
        return Sequence(Approval("ok"), Task("deploy", deploy, ctx.input.target))

    return flow


@pytest.fixture
def edited_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it, and it is another process with another environment."""
    return lambda: monkeypatch.setitem(ENVIRONMENT, "target", "production")


async def test_a_resumption_and_a_run_from_it_have_the_defaults_of_the_first_process(
    store: Store, edited_environment: Any
) -> None:
    seen: list[str] = []
    engine = await start_run(deploying(seen), store=store, run_id=RUN_ID, options=RunOptions(suspend_when_waiting=True))
    assert await engine.drive() is RunStatus.SUSPENDED
    assert (await store.run(RUN_ID)).input == '{"target":"staging","amount":1}'
    edited_environment()
    await decide(store, "ok")
    engine = await start_run(
        deploying(seen, fails=True),
        store=store,
        run_id=RUN_ID,
        input={"amount": 1},
        options=RunOptions(mode=StartMode.RESUME),
    )
    assert await engine.drive() is RunStatus.FAILED
    engine = await start_run(deploying(seen), store=store, run_id="again", options=RunOptions(from_run=RUN_ID))
    assert await engine.drive() is RunStatus.FINISHED
    assert seen == ["staging", "staging"]
    with pytest.raises(InvalidInput, match="differs"):
        await start_run(
            deploying(seen),
            store=store,
            run_id=RUN_ID,
            input={"target": "production"},
            options=RunOptions(mode=StartMode.RESUME),
        )


async def test_an_unknown_key_is_refused_from_python_too(store: Store) -> None:
    with pytest.raises(InvalidInput, match="unknown key 'tarrget'"):
        await run_workflow(deploying([]), store=store, run_id=RUN_ID, input={"tarrget": "x"})
    assert await store.find_run(RUN_ID) is None
    with pytest.raises(InvalidInput, match="unknown key 'tarrget'"):
        await run_to_end(deploying([]), {"tarrget": "x"})

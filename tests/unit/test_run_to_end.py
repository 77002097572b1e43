"""`smithersd.testing.run_to_end`: an author's workflow, run to its end without waiting."""

import asyncio
from typing import Any

import pytest

from smithersd import Approval, Context, Parallel, Sequence, Signal, Task, Timer, task_context, workflow
from smithersd.errors import InvalidInput, UserError
from smithersd.testing import run_to_end
from tests.support.waiting import DEADLINE_S


async def done() -> str:
    return "done"


@workflow
def asking(_: Any) -> Any:
    return Sequence(Approval("one"), Approval("two", on_deny="continue"), Task("a", done))


async def test_it_answers_approvals_as_it_was_told() -> None:
    result = await run_to_end(asking, decisions={"one": True, "two": False})
    assert result.status == "finished"
    assert [result.outputs[one]["approved"] for one in ("one", "two")] == [True, False]
    assert result.outputs["a"] == "done"


async def test_a_denial_that_fails_the_run_is_its_result() -> None:
    result = await run_to_end(asking, decisions=False)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "APPROVAL_DENIED"


async def test_a_approval_that_nobody_thought_of_is_an_error() -> None:
    with pytest.raises(UserError, match="'two' was requested"):
        await run_to_end(asking, decisions={"one": True})


async def test_time_is_jumped_over() -> None:
    calls: list[int] = []

    async def fails_twice() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("not yet")
        return len(calls)

    @workflow
    def patient(_: Any) -> Any:
        return Task("a", fails_twice, retries=2, retry_delay="2h", max_delay="4h", backoff="exponential")

    async with asyncio.timeout(DEADLINE_S):
        result = await run_to_end(patient)
    assert result.outputs == {"a": 3}


async def test_an_input_that_does_not_fit_is_raised_as_it_is() -> None:
    @workflow
    def typed(ctx: Context[int]) -> Any:
        return Task("a", abs, ctx.input)

    assert (await run_to_end(typed, -3)).outputs == {"a": 3}
    with pytest.raises(InvalidInput):
        await run_to_end(typed, "three")


@workflow
def order(ctx: Context[Any]) -> Any:
    paid = Signal("paid", int, timeout="3d", on_timeout="continue")
    return Sequence(paid, Task("ship", "shipped for {}".format, paid))


async def test_a_signal_is_sent_as_soon_as_a_node_waits_for_it_and_before_its_timeout() -> None:
    result = await run_to_end(order, signals={"paid": 7})
    assert result.outputs == {"paid": 7, "ship": "shipped for 7"}


async def test_a_wait_for_a_signal_that_nobody_sends_ends_by_its_timeout() -> None:
    result = await run_to_end(order)
    assert result.outputs == {"paid": None, "ship": "shipped for None"}


async def test_a_wait_for_a_signal_that_nobody_will_send_is_said() -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Timer("t", "1h"), Signal("paid"))

    with pytest.raises(UserError, match="waits for the signal 'paid', but signals has no data for it"):
        await run_to_end(flow)


async def test_data_that_do_not_fit_are_said() -> None:
    with pytest.raises(UserError, match="do not fit"):
        await run_to_end(order, signals={"paid": "much"})


async def test_a_signal_that_a_task_sends_needs_no_answer() -> None:
    async def pays() -> None:
        task_context().signal("paid", 3)

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Signal("paid", int), Sequence(Timer("t", "1h"), Task("pays", pays)))

    assert (await run_to_end(flow)).outputs["paid"] == 3

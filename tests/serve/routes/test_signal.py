"""POST /signal: what others send to the run."""

from typing import Any

import pytest

from smithersd import Signal, Store, workflow
from smithersd.core.log import events as e
from smithersd.core.log.states import RunStatus
from smithersd.limits import SIGNAL_DATA_BYTES_MAX
from tests.serve.conftest import Client
from tests.serve.routes.test_decisions import answer, decide
from tests.serve.story import Story
from tests.serve.workflows import driven
from tests.support.runs import outputs, until_state


@pytest.mark.parametrize("is_applied", [True, False])
async def test_a_signal_is_left_for_the_run_whoever_waits(client: Client, story: Story, *, is_applied: bool) -> None:
    await story.begin()
    body = {"data": {"amount": 7}, "correlationId": "INV-7", "sentBy": "ann"}
    await decide(client, story, "/signal/pay%2Fed", body, is_applied=is_applied)
    if is_applied:
        (kept,) = story.state.signals.by_address["pay/ed", "INV-7"]
        assert (kept.signal.data, kept.signal.sent_by) == ({"amount": 7}, "ann")
    else:
        (left,) = await story.store.requests("run-1")
        assert (left.payload, left.sender) == ('["pay/ed","INV-7",{"amount":7}]', "ann")


async def test_the_same_signal_again_is_another_one(client: Client, story: Story) -> None:
    await story.begin()
    await story.abandon()
    for _ in range(2):
        assert await answer(client, "/signal/paid") == (200, None, None)
    assert len(await story.store.requests("run-1")) == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/signal/paid", {"correlationId": 7}),
        ("/signal/paid", {"correlationId": ""}),
        ("/signal/paid", {"key": "a"}),
        ("/signal/paid", {"data": "x" * SIGNAL_DATA_BYTES_MAX}),
        ("/signal/" + "x" * 201, {}),
        ("/signal/a%09b", {}),
    ],
)
async def test_what_cannot_be_sent_is_refused(client: Client, story: Story, path: str, body: dict[str, Any]) -> None:
    await story.begin()
    assert (await answer(client, path, body))[:2] == (400, "INVALID_REQUEST")
    assert await story.store.requests("run-1") == []


async def test_a_run_that_has_ended_takes_none(client: Client, story: Story) -> None:
    await story.begin()
    await story.tell(e.RunCancelled())
    assert (await answer(client, "/signal/paid"))[:2] == (409, "RUN_NOT_ACTIVE")


async def test_data_are_checked_at_the_door_where_the_run_is_driven(client: Client, store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Signal("paid", dict[str, int])

    async with driven(flow, store) as engine:
        await until_state(store, lambda state: state.status is RunStatus.WAITING_EVENT, "run-1")
        status, code, details = await answer(client, "/signal/paid", {"data": {"amount": "much"}})
        assert (status, code) == (400, "INVALID_REQUEST")
        assert details is not None
        assert [one["field"] for one in details["problems"]] == ["data.amount"]
        assert await answer(client, "/signal/paid", {"data": {"amount": 7}}) == (200, None, None)
    assert engine.state.status is RunStatus.FINISHED
    assert await outputs(store, "run-1") == {"paid": {"amount": 7}}

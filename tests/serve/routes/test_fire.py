"""POST /fire: a timer before its time."""

import pytest

from tests.serve.conftest import Client
from tests.serve.routes.test_decisions import answer, decide
from tests.serve.story import Story


@pytest.mark.parametrize("is_applied", [True, False])
async def test_a_timer_is_fired_once(client: Client, story: Story, *, is_applied: bool) -> None:
    await story.begin()
    await story.wait_for_time("next/morning")
    await decide(client, story, "/fire/next%2Fmorning", {"firedBy": "ann"}, is_applied=is_applied)
    assert await answer(client, "/fire/next/morning", {"iteration": 0}) == (200, None, None)
    left = await story.store.requests("run-1")
    assert [row.sender for row in left] == ([] if is_applied else ["ann"])


async def test_what_is_not_a_timer_that_waits_is_not_fired(client: Client, story: Story) -> None:
    await story.begin()
    await story.wait_for_time()
    await story.ask()
    assert await answer(client, "/fire/approval") == (409, "TIMER_NOT_PENDING", None)
    assert await answer(client, "/fire/nope") == (404, "NODE_NOT_FOUND", None)
    assert await answer(client, "/fire/timer", {"iteration": 7}) == (409, "TIMER_NOT_PENDING", None)
    for body in ({"by": "ann"}, {"firedBy": 7}, {"iteration": -1}, {"runId": 1}):
        status, code, _ = await answer(client, "/fire/timer", body)
        assert (status, code) == (400, "INVALID_REQUEST")
    assert await story.store.requests("run-1") == []

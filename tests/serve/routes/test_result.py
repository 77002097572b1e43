"""GET /result: what the run has come to."""

from typing import Any

from smithersd.core.log import events as e
from smithersd.errors import ErrorInfo
from tests.serve.conftest import Client
from tests.serve.story import Story, pending


async def answer(client: Client) -> tuple[int, Any]:
    response = await client.get("/result")
    body = await response.json()
    return response.status, body if response.status == 200 else body["error"]["code"]


async def test_before_the_run_exists_there_is_no_run(client: Client) -> None:
    assert await answer(client) == (404, "RUN_NOT_FOUND")


async def test_is_there_once_the_run_has_finished_with_one(client: Client, story: Story) -> None:
    await story.begin(pending("a"))
    assert await answer(client) == (404, "RESULT_NOT_FOUND")
    await story.tell(e.NodeStarted("a", 0, 1))
    await story.tell(story.output("a", {"path": "dist/ü"}))
    assert await answer(client) == (404, "RESULT_NOT_FOUND")
    await story.tell(e.RunFinished("a", 0))
    assert await answer(client) == (200, {"nodeId": "a", "iteration": 0, "result": {"path": "dist/ü"}})


async def test_a_run_that_finished_without_one_or_failed_has_none(client: Client, story: Story) -> None:
    await story.begin(pending("a"), e.RunFinished())
    assert await answer(client) == (404, "RESULT_NOT_FOUND")
    message = (await (await client.get("/result")).json())["error"]["message"]
    assert "has finished without a result" in message


async def test_a_failed_run_says_that_it_failed(client: Client, story: Story) -> None:
    await story.begin(e.RunFailed(ErrorInfo("X", "X", "x")))
    assert "has no result: it is failed" in (await (await client.get("/result")).json())["error"]["message"]

"""GET /: how the run stands."""

from smithersd.core.log import events as e
from smithersd.core.log.states import RunStatus
from tests.serve.conftest import Client
from tests.serve.story import START_MS, Story, pending


async def test_a_run_that_has_not_begun_is_not_found(client: Client) -> None:
    answer = await client.get("/")
    assert answer.status == 404
    assert (await answer.json())["error"]["code"] == "RUN_NOT_FOUND"


async def test_tells_exactly_six_things(client: Client, story: Story) -> None:
    await story.begin(pending("a"), pending("b"))
    await story.tell(e.NodeStarted("a", 0, 1))
    answer = await client.get("/")
    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert await answer.json() == {
        "runId": "run-1",
        "workflowName": "demo",
        "status": "running",
        "startedAtMs": START_MS,
        "finishedAtMs": None,
        "summary": {"pending": 1, "in-progress": 1},
    }


async def test_shows_at_once_what_was_committed(client: Client, story: Story) -> None:
    await story.begin()
    for number in range(1, 20):
        await story.run_task(f"task-{number}")
        assert (await (await client.get("/")).json())["summary"] == {"finished": number}


async def test_follows_the_status_to_the_end(client: Client, story: Story) -> None:
    async def status() -> tuple[str, int | None]:
        told = await (await client.get("/")).json()
        return told["status"], told["finishedAtMs"]

    await story.begin()
    await story.ask()
    await story.tell(e.RunStatusChanged(RunStatus.WAITING_APPROVAL))
    assert await status() == ("waiting-approval", None)
    await story.tell(e.RunSuspended("stopped"))
    assert await status() == ("suspended", None)
    await story.tell(e.RunResumed(2, workflow_changed=False))
    assert await status() == ("running", None)
    await story.tell(e.RunFinished())
    assert await status() == ("finished", story.journal.now_ms)


async def test_head_answers_like_get_without_the_body(client: Client, story: Story) -> None:
    await story.begin()
    got, head = await client.get("/"), await client.head("/")
    assert head.status == 200
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert await head.read() == b""


async def test_an_unknown_query_parameter_is_refused(client: Client, story: Story) -> None:
    await story.begin()
    answer = await client.get("/?run=other")
    assert answer.status == 400
    assert (await answer.json())["error"]["code"] == "INVALID_REQUEST"

"""POST /cancel, and the abort event beside it."""

import asyncio

import pytest

from smithersd.core.log import events as e
from smithersd.core.log.events import Event
from smithersd.core.log.states import RunStatus
from smithersd.errors import ErrorInfo
from smithersd.store import Store
from smithersd.store.records import RequestKind
from tests.serve.conftest import Client
from tests.serve.story import Story, pending
from tests.support.waiting import until_async


async def cancelled(client: Client) -> tuple[int, object]:
    response = await client.post("/cancel")
    told = await response.json()
    return response.status, told.get("error", {}).get("code", told.get("runId"))


async def until_ended(store: Store) -> RunStatus:
    async def end() -> RunStatus | None:
        status = (await store.run("run-1")).status
        return status if status.is_final else None

    return await until_async(end)


async def test_before_the_run_exists_there_is_no_run(client: Client, abort: asyncio.Event) -> None:
    assert await cancelled(client) == (404, "RUN_NOT_FOUND")
    assert not abort.is_set()


@pytest.mark.parametrize(
    "status",
    [RunStatus.RUNNING, RunStatus.WAITING_APPROVAL, RunStatus.WAITING_TIMER, RunStatus.WAITING_EVENT],
)
async def test_a_driver_is_asked_in_every_live_state(
    client: Client, story: Story, abort: asyncio.Event, status: RunStatus
) -> None:
    await story.begin(pending("a"), e.RunStatusChanged(status))
    cancelling = asyncio.create_task(cancelled(client))
    await story.left()
    assert not cancelling.done()
    assert [row.kind for row in await story.apply_inbox()] == [RequestKind.CANCEL]
    assert await cancelling == (200, "run-1")
    assert abort.is_set()
    assert (await (await client.get("/")).json())["status"] == "cancelled"


@pytest.mark.parametrize("end", [e.RunStatusChanged(RunStatus.WAITING_APPROVAL), e.RunSuspended("stopped")])
async def test_where_nobody_drives_it_ends_the_run_itself(client: Client, story: Story, end: Event) -> None:
    await story.begin(pending("a"), pending("b"))
    await story.run_task("c")
    await story.ask()
    await story.tell(end)
    await story.abandon()
    assert await cancelled(client) == (200, "run-1")
    told = await (await client.get("/")).json()
    assert (told["status"], told["summary"]) == ("cancelled", {"pending": 2, "finished": 1, "cancelled": 1})
    assert told["finishedAtMs"] is not None
    assert await (await client.get("/approvals")).json() == []
    assert (await story.store.run("run-1")).owner is None
    types = [row.type for row in await story.store.events("run-1", after_seq=-1)]
    assert types[-2:] == ["NodeCancelled", "RunCancelled"]


async def test_what_was_accepted_before_stands_in_the_log_before_the_end(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()
    assert (await client.post("/approve/approval", json={"decidedBy": "alice"})).status == 200
    assert await cancelled(client) == (200, "run-1")
    types = [row.type for row in await story.store.events("run-1", after_seq=-1)]
    assert types[types.index("ApprovalGranted") :] == ["ApprovalGranted", "NodeCancelled", "RunCancelled"]
    assert await story.store.requests("run-1") == []


@pytest.mark.parametrize("end", [e.RunFinished(), e.RunFailed(ErrorInfo("X", "X", "x")), e.RunCancelled()])
async def test_a_run_that_has_ended_is_not_active(
    client: Client, story: Story, abort: asyncio.Event, end: Event
) -> None:
    await story.begin(end)
    assert await cancelled(client) == (409, "RUN_NOT_ACTIVE")
    assert not abort.is_set()
    assert (await story.store.run("run-1")).last_seq == 1


async def test_many_at_once_cancel_once(client: Client, story: Story) -> None:
    await story.begin(pending("a"))
    await story.abandon()
    answers = await asyncio.gather(*(cancelled(client) for _ in range(20)))
    assert set(answers) <= {(200, "run-1"), (409, "RUN_NOT_ACTIVE")}
    assert (200, "run-1") in answers
    types = [row.type for row in await story.store.events("run-1", after_seq=-1)]
    assert types.count("RunCancelled") == 1


async def test_setting_abort_cancels_the_run(client: Client, story: Story, abort: asyncio.Event) -> None:
    await story.begin(pending("a"))
    await story.abandon()
    abort.set()
    assert await until_ended(story.store) is RunStatus.CANCELLED
    assert (await (await client.get("/")).json())["status"] == "cancelled"


@pytest.mark.usefixtures("client")
async def test_an_abort_that_was_set_before_the_run_exists_cancels_it_when_it_does(
    story: Story, abort: asyncio.Event
) -> None:
    abort.set()
    await asyncio.sleep(0)
    await story.begin(pending("a"))
    await story.abandon()
    assert await until_ended(story.store) is RunStatus.CANCELLED

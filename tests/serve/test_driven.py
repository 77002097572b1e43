"""Beside the real engine, in the same process: what a client asks for happens at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from smithersd import RunResult, Workflow, run_workflow
from smithersd.core.log.states import RunStatus
from smithersd.engine import start_run
from smithersd.store import Store
from tests.serve.agreement import check_agreement
from tests.serve.conftest import Client, Connect
from tests.serve.paths import path_of
from tests.serve.workflows import approvals, backing_off, driven, endless, release
from tests.support.streaming import stream
from tests.support.waiting import until_async


async def status(client: Client) -> str:
    told = await (await client.get("/")).json()
    word: str = told.get("status", "")
    return word


def reaches(client: Client, wanted: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return await status(client) == wanted

    return ask


async def test_an_approval_lets_the_run_go_on_and_the_next_look_shows_it(client: Client, store: Store) -> None:
    async with driven(release, store) as engine:
        await until_async(reaches(client, "waiting-approval"))
        await check_agreement(client, store)
        (asked,) = await (await client.get("/approvals")).json()
        assert asked["shown"] == {"artifact": "almanac-1.0.tar.gz", "bytes": 4_096}
        assert (await client.post("/approve/approval", json={"decidedBy": "alice"})).status == 200
        # Not later: what is answered with 200 has been applied, and what it led to has begun.
        told = await (await client.get("/")).json()
        assert told["summary"].get("waiting-approval") is None
        approval = await (await client.get("/nodes/approval")).json()
        assert approval["iterations"][0]["output"]["decided_by"] == "alice"
        await until_async(reaches(client, "finished"))
    assert engine.state.status is RunStatus.FINISHED
    await check_agreement(client, store)
    assert (await (await client.get("/nodes/ship")).json())["iterations"][0]["output"] == "shipped almanac-1.0.tar.gz"


async def test_a_denial_fails_the_run(client: Client, store: Store) -> None:
    async with driven(release, store):
        await until_async(reaches(client, "waiting-approval"))
        assert (await client.post("/deny/approval", json={"note": "not today"})).status == 200
        assert await status(client) == "failed"
    await check_agreement(client, store)
    node = await (await client.get("/nodes/approval")).json()
    assert node["iterations"][0]["error"]["code"] == "APPROVAL_DENIED"


async def test_approvals_beside_running_work_are_decided_in_any_order(client: Client, store: Store) -> None:
    async with driven(approvals, store):
        asked = await until_async(lambda: _approvals(client, 3))
        for one in reversed(asked):
            route = "/deny" if one["nodeId"] == "approval/1 ü%" else "/approve"
            assert (await client.post(path_of(route, one["nodeId"]))).status == 200
        await until_async(reaches(client, "finished"))
    await check_agreement(client, store)
    node = await (await client.get(path_of("/nodes", "approval/1 ü%"))).json()
    assert node["iterations"][0]["output"]["approved"] is False


async def _approvals(client: Client, count: int) -> list[dict[str, Any]]:
    response = await client.get("/approvals")
    asked: list[dict[str, Any]] = await response.json() if response.status == 200 else []
    return asked if len(asked) == count else []


@pytest.mark.parametrize("source", [endless, backing_off, release], ids=lambda source: source.name)
async def test_cancel_ends_a_run_that_is_driven_in_any_state(
    client: Client, store: Store, source: Workflow[Any]
) -> None:
    states = {"endless": "in-progress", "backing_off": "pending", "release": "waiting-approval"}
    async with driven(source, store) as engine:

        async def is_there() -> bool:
            told = await (await client.get("/")).json()
            has_begun = source is not backing_off or any(node.retry_at_ms for node in engine.state.nodes.values())
            return states[source.name] in told["summary"] and has_begun

        await until_async(is_there)
        assert (await client.post("/cancel")).status == 200
        assert await status(client) == "cancelled"
        assert (await client.post("/cancel")).status == 409
    await check_agreement(client, store)


async def test_cancel_ends_a_run_that_was_suspended(client: Client, store: Store) -> None:
    async with driven(endless, store):
        await until_async(reaches(client, "running"))
    assert await status(client) == "suspended"
    await check_agreement(client, store)
    assert (await client.post("/cancel")).status == 200
    assert await status(client) == "cancelled"
    await check_agreement(client, store)


async def test_one_abort_event_is_shared_by_app_and_engine(client: Client, store: Store, abort: asyncio.Event) -> None:
    running = asyncio.create_task(run_workflow(endless, store=store, run_id="run-1", abort=abort))
    await until_async(reaches(client, "running"))
    abort.set()
    result = await running
    assert isinstance(result, RunResult)
    assert result.status is RunStatus.CANCELLED
    await check_agreement(client, store)


async def test_setting_abort_is_enough_without_the_engine_knowing_it(
    client: Client, store: Store, abort: asyncio.Event
) -> None:
    async with driven(endless, store):
        await until_async(reaches(client, "running"))
        abort.set()
        await until_async(reaches(client, "cancelled"))


async def test_a_stream_that_was_open_before_the_run_existed_gets_all_of_it(client: Client, store: Store) -> None:
    following = asyncio.create_task(stream(client))
    for path in ("/", "/nodes", "/frames", "/approvals", "/nodes/a"):
        assert (await client.get(path)).status == 404
    async with driven(release, store):
        await until_async(reaches(client, "waiting-approval"))
        await client.post("/approve/approval")
        messages = await following
    rows = await store.events("run-1", after_seq=-1)
    assert [(message.seq, message.data) for message in messages] == [(row.seq, row.payload) for row in rows]


async def test_suspended_is_no_end_and_the_stream_goes_on_when_the_run_does(client: Client, store: Store) -> None:
    following = asyncio.create_task(stream(client))
    async with driven(release, store):
        await until_async(reaches(client, "waiting-approval"))
    assert await status(client) == "suspended"
    await check_agreement(client, store)
    assert (await client.post("/approve/approval", json={"decidedBy": "bob"})).status == 200
    assert not following.done()
    async with driven(release, store):
        await until_async(reaches(client, "finished"))
    rows = await store.events("run-1", after_seq=-1)
    assert [message.data for message in await following] == [row.payload for row in rows]
    assert [row.type for row in rows].count("RunResumed") == 1
    await check_agreement(client, store)


async def test_ready_is_told_by_the_engine_beside_it(client: Client, store: Store) -> None:
    async with driven(endless, store):
        assert (await client.get("/ready")).status == 200
    assert (await client.get("/ready")).status == 200


async def test_many_people_decide_many_approvals_while_others_follow(connect: Connect, store: Store) -> None:
    client = await connect()
    followers = [asyncio.create_task(stream(client)) for _ in range(20)]
    async with driven(approvals, store):
        asked = await until_async(lambda: _approvals(client, 3))
        answers = await asyncio.gather(
            *(
                client.post(path_of("/approve", one["nodeId"]), json={"decidedBy": f"person-{person}"})
                for person in range(10)
                for one in asked
            )
        )
        await until_async(reaches(client, "finished"))
    assert sorted(answer.status for answer in answers) == [200] * 3 + [409] * 27
    whole = [row.payload for row in await store.events("run-1", after_seq=-1)]
    for follower in followers:
        assert [message.data for message in await follower] == whole


@pytest.fixture
async def _prepared(store: Store) -> AsyncIterator[None]:
    engine = await start_run(release, store=store, run_id="run-1")
    yield
    await engine.close()


@pytest.mark.usefixtures("_prepared")
async def test_a_run_that_is_prepared_but_not_driven_yet_is_shown(client: Client, store: Store) -> None:
    await check_agreement(client, store)


async def test_cancel_reaches_an_engine_that_shares_the_abort_event(
    client: Client, store: Store, abort: asyncio.Event
) -> None:
    running = asyncio.create_task(run_workflow(endless, store=store, run_id="run-1", abort=abort))
    await until_async(reaches(client, "running"))
    assert (await client.post("/cancel")).status == 200
    assert await status(client) == "cancelled"
    assert (await running).status is RunStatus.CANCELLED
    types = [row.type for row in await store.events("run-1", after_seq=-1)]
    assert types.count("RunCancelled") == 1
    assert await store.requests("run-1") == []

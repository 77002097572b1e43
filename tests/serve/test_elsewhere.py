"""Beside a run that another process drives, or did drive until it was killed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from smithersd.store import Store
from tests.serve.agreement import check_agreement
from tests.serve.conftest import Client
from tests.support.streaming import stream
from tests.support.waiting import until_async

Drive = Callable[[str], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def drive(store: Store) -> AsyncIterator[Drive]:
    """Start a process that drives the run; whatever is left of it is killed at the end."""
    started: list[asyncio.subprocess.Process] = []

    async def start(name: str) -> asyncio.subprocess.Process:
        arguments = ("-m", "tests.serve.workflows", store.url, "run-1", name)
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def reach(client: Client, wanted: str) -> None:
    async def ask() -> bool:
        response = await client.get("/")
        return response.status == 200 and (await response.json())["status"] == wanted

    await until_async(ask)


async def test_a_decision_here_moves_the_run_there(client: Client, store: Store, drive: Drive) -> None:
    following = asyncio.create_task(stream(client))
    process = await drive("release")
    await reach(client, "waiting-approval")
    await check_agreement(client, store)
    assert (await client.post("/approve/approval", json={"decidedBy": "alice"})).status == 200
    # The other process has applied it when the answer comes.
    assert "waiting-approval" not in (await (await client.get("/")).json())["summary"]
    messages = await following
    assert await process.wait() == 0
    assert [message.data for message in messages] == [row.payload for row in await store.events("run-1", after_seq=-1)]
    await check_agreement(client, store)
    again = await client.post("/approve/approval", json={"decidedBy": "alice"})
    assert again.status == 200
    assert (await client.post("/approve/approval", json={"decidedBy": "bob"})).status == 409


async def test_a_cancel_here_ends_the_run_there(client: Client, store: Store, drive: Drive) -> None:
    process = await drive("endless")
    await reach(client, "running")
    assert (await client.post("/cancel")).status == 200
    assert (await (await client.get("/")).json())["status"] == "cancelled"
    assert await process.wait() == 0
    await check_agreement(client, store)


async def test_after_its_driver_was_killed_decisions_wait_for_the_next_one(
    client: Client, store: Store, drive: Drive
) -> None:
    following = asyncio.create_task(stream(client))
    first = await drive("release")
    await reach(client, "waiting-approval")
    first.kill()
    await first.wait()
    assert (await client.post("/approve/approval", json={"decidedBy": "alice"})).status == 200
    assert [row.sender for row in await store.requests("run-1")] == ["alice"]
    assert await (await drive("release")).wait() == 0
    messages = await following
    assert [message.seq for message in messages] == list(range(len(messages)))
    assert [message.data for message in messages] == [row.payload for row in await store.events("run-1", after_seq=-1)]
    await check_agreement(client, store)


async def test_after_its_driver_was_killed_a_cancel_ends_the_run_itself(
    client: Client, store: Store, drive: Drive
) -> None:
    process = await drive("endless")
    await reach(client, "running")
    process.kill()
    await process.wait()
    assert (await client.post("/cancel")).status == 200
    assert (await (await client.get("/")).json())["status"] == "cancelled"
    await check_agreement(client, store)

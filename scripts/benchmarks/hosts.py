"""Two hosts on one database: this process drives, `smithers serve` in another one shows and decides."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import perf_counter
from typing import Any

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout

from benchmarks.figures import Figure, at_most
from benchmarks.grounds import Ground
from benchmarks.process import free_port
from benchmarks.served import follow
from benchmarks.workflows import RUN_ID, folder
from smithersd import Approval, Task, Workflow, open_store
from smithersd import Sequence as Steps
from smithersd.core.log.events import NodeWaitingApproval, Recorded
from smithersd.engine import Engine, drive_to_end, start_run

MS = 1_000
_PAUSE_S = 0.02


async def measure(*, is_quick: bool, ground: Ground) -> AsyncIterator[Figure]:
    """A commit here until a client there has its events; an approval there until the next task's code runs here."""
    count = 20 if is_quick else 200
    async with ground.empty() as url:
        yield Figure("commit here to client there", await _commit_to_client(url, count), "ms", at_most(10))
    async with ground.empty() as url:
        approvals = await _approve_to_start(url, count // 4)
        yield Figure("approve there to the next task here", approvals, "ms", at_most(20))


async def _commit_to_client(url: str, count: int) -> list[float]:
    committed: dict[int, float] = {}
    seen: dict[int, float] = {}
    is_following = asyncio.Event()

    def note_commit(recorded: Sequence[Recorded]) -> None:
        now = perf_counter()
        committed.update((one.seq, now) for one in recorded)

    def note_arrival(seq: int) -> None:
        seen[seq] = perf_counter()
        is_following.set()

    async def pause() -> None:
        await asyncio.sleep(_PAUSE_S)

    tasks = (Task(f"n{i}", pause) for i in range(count))
    steps: Workflow[Any] = Workflow(lambda _: Steps(Approval("begin"), *tasks), name="paused")
    async with _hosts(steps, url) as (engine, client), asyncio.TaskGroup() as group:
        group.create_task(follow(client, note_arrival))
        engine.observe(note_commit)
        driving = group.create_task(drive_to_end(engine))
        await is_following.wait()
        await asyncio.sleep(1)  # by then the follower's listener is there
        committed.clear()
        await _approve(client, "begin")
        await driving
    return [MS * (seen[seq] - at) for seq, at in committed.items()]


async def _approve_to_start(url: str, count: int) -> list[float]:
    approved: list[float] = []
    started: list[float] = []

    async def start() -> None:
        started.append(perf_counter())

    pairs = (element for i in range(count) for element in (Approval(f"approval-{i}"), Task(f"go-{i}", start)))
    workflow: Workflow[Any] = Workflow(lambda _: Steps(*pairs), name="asking")
    async with _hosts(workflow, url) as (engine, client), asyncio.TaskGroup() as group:
        asking = asyncio.Semaphore(0)
        engine.observe(partial(_notice, asking))
        group.create_task(drive_to_end(engine))
        for number in range(count):
            await asking.acquire()
            await asyncio.sleep(_PAUSE_S)
            approved.append(perf_counter())
            await _approve(client, f"approval-{number}")
    return [MS * (b - a) for a, b in zip(approved, started, strict=True)]


def _notice(asking: asyncio.Semaphore, recorded: Sequence[Recorded]) -> None:
    for one in recorded:
        if isinstance(one.event, NodeWaitingApproval):
            asking.release()


async def _approve(client: ClientSession, approval: str) -> None:
    async with client.post(f"/approve/{approval}") as answer:
        answer.raise_for_status()


@asynccontextmanager
async def _hosts(workflow: Workflow[Any], url: str) -> AsyncIterator[tuple[Engine, ClientSession]]:
    """Begin a run here and serve it there."""
    async with open_store(url) as store:
        engine = await start_run(workflow, store=store, run_id=RUN_ID)
        async with _server(url) as client:
            yield engine, client


@asynccontextmanager
async def _server(url: str) -> AsyncIterator[ClientSession]:
    port = free_port()
    with folder() as path:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "smithersd", "serve", RUN_ID, "--port", str(port),
            cwd=path, env={**os.environ, "SMITHERS_STORE": url}, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with ClientSession(f"http://127.0.0.1:{port}", timeout=ClientTimeout(total=None)) as client:
                await _answers(client)
                yield client
        finally:
            process.terminate()
            await process.wait()


async def _answers(client: ClientSession) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(ClientConnectionError):
                async with client.get("/ready"):
                    return
            await asyncio.sleep(_PAUSE_S)

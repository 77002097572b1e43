"""How soon what happened is seen, and how soon what was decided goes on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.figures import Figure, at_most
from benchmarks.served import Served, follow, served
from benchmarks.workflows import folder
from smithersd import Approval, Task, Workflow
from smithersd import Sequence as Steps
from smithersd.core.log.events import NodeWaitingApproval, Recorded
from smithersd.engine import drive_to_end

MS = 1_000
_PAUSE_S = 0.01


async def measure(*, is_quick: bool) -> AsyncIterator[Figure]:
    """A commit until the client has its events; an approval until the next task's code runs."""
    count = 20 if is_quick else 200
    yield Figure("commit to client", await _commit_to_client(count), "ms", at_most(5))
    yield Figure("approve to the next task's start", await _approve_to_start(count // 4), "ms", at_most(10))


async def _commit_to_client(count: int) -> list[float]:
    """Steps with pauses in between: latency, not throughput."""
    committed: dict[int, float] = {}
    seen: dict[int, float] = {}

    def note_commit(recorded: Sequence[Recorded]) -> None:
        now = perf_counter()
        committed.update((one.seq, now) for one in recorded)

    def note_arrival(seq: int) -> None:
        seen[seq] = perf_counter()

    async def pause() -> None:
        await asyncio.sleep(_PAUSE_S)

    steps: Workflow[Any] = Workflow(lambda _: Steps(*(Task(f"n{i}", pause) for i in range(count))), name="paused")
    with folder() as path:
        async with served(steps, path / "smithers.db") as run:
            run.engine.observe(note_commit)
            async with asyncio.TaskGroup() as group:
                group.create_task(follow(run.client, note_arrival))
                group.create_task(drive_to_end(run.engine))
    return [MS * (seen[seq] - at) for seq, at in committed.items()]


async def _approve_to_start(count: int) -> list[float]:
    approved: dict[int, float] = {}
    started: dict[int, float] = {}

    async def start(number: int) -> None:
        started[number] = perf_counter()

    def asking(number: int) -> Steps:
        return Steps(Approval(f"approval-{number}"), Task(f"go-{number}", partial(start, number)))

    workflow: Workflow[Any] = Workflow(lambda _: Steps(*map(asking, range(count))), name="asking")
    with folder() as path:
        async with served(workflow, path / "smithers.db") as run, asyncio.TaskGroup() as group:
            group.create_task(_approve_each(run, count, approved))
            group.create_task(drive_to_end(run.engine))
    return [MS * (started[number] - at) for number, at in approved.items()]


async def _approve_each(run: Served, count: int, approved: dict[int, float]) -> None:
    asking = asyncio.Semaphore(sum(node.state == "waiting-approval" for node in run.engine.state.nodes.values()))

    def notice(recorded: Sequence[Recorded]) -> None:
        for one in recorded:
            if isinstance(one.event, NodeWaitingApproval):
                asking.release()

    run.engine.observe(notice)
    for number in range(count):
        await asking.acquire()
        await asyncio.sleep(_PAUSE_S)
        approved[number] = perf_counter()
        async with run.client.post(f"/approve/approval-{number}") as answer:
            answer.raise_for_status()

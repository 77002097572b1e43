"""The command under large outputs: how long /health stays silent while they are read, and what memory they take."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter

import psutil
from aiohttp import ClientSession

from benchmarks.figures import Figure, at_most
from benchmarks.process import MIB, ended, started
from benchmarks.workflows import folder

_PROBE_S = 0.02
_MS = 1_000

_LARGE_ARGUMENTS = """
from pydantic import BaseModel
from smithersd import Parallel, Sequence, Task, workflow

class Row(BaseModel):
    id: int
    name: str
    tags: list[str]

def fetch() -> list[Row]:
    return [Row(id=i, name=f"name {{i}}", tags=["a", "b", "c"]) for i in range({count})]

def use(rows: list[Row], number: int) -> int:
    return len(rows) + number

@workflow
def large(ctx):
    rows = Task("fetch", fetch)
    return Sequence(rows, Parallel(*(Task(f"use {{i}}", use, rows, i) for i in range(8))))
"""

_LARGE_OUTPUTS = """
from smithersd import Sequence, Task, workflow

def text(number: int) -> str:
    return str(number % 10) * {length}

@workflow
def outputs(ctx):
    return Sequence(*(Task(f"text {{i}}", text, i) for i in range(40)))
"""


async def measure(*, is_quick: bool) -> AsyncIterator[Figure]:
    """/health while eight tasks read 8 MB of rows each; resident memory once 40 outputs of 9 MB are made."""
    count, length, rounds = (15_000, 900_000, 1) if is_quick else (150_000, 9_000_000, 3)
    silences, memories = [], []
    with folder() as path:
        large, outputs = path / "large.py", path / "outputs.py"
        large.write_text(_LARGE_ARGUMENTS.format(count=count))
        outputs.write_text(_LARGE_OUTPUTS.format(length=length))
        for _ in range(rounds):
            async with started(large, path) as (_, client, _):
                silences.append(_MS * await _longest_silence_s(client))
            async with started(outputs, path) as (pid, client, _):
                await ended(client)
                memories.append(psutil.Process(pid).memory_info().rss / MIB)
    yield Figure("longest silence of /health, large arguments", silences, "ms", at_most(400))
    yield Figure("resident memory, 40 large outputs made", memories, "MiB", at_most(250))


async def _longest_silence_s(client: ClientSession) -> float:
    """The slowest answer until the run has ended."""
    ending = asyncio.ensure_future(ended(client))
    slowest_s = 0.0
    while not ending.done():
        begun = perf_counter()
        async with client.get("/health") as answer:
            await answer.read()
        slowest_s = max(slowest_s, perf_counter() - begun)
        await asyncio.sleep(_PROBE_S)
    await ending
    return slowest_s

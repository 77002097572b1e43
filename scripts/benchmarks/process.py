"""The command from outside: how soon it serves, and what it holds in memory."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter

import psutil
from aiohttp import ClientConnectionError, ClientSession

from benchmarks.figures import Figure, at_most
from benchmarks.workflows import ROOT, folder

_POLL_S = 0.005
MIB = 2**20

_STEPS = """
from smithersd import Sequence, Task, workflow

async def trivial() -> int:
    return 1

@workflow
def steps(ctx):
    return Sequence(*(Task(f"n{{i}}", trivial) for i in range({count})))
"""


async def measure(*, is_quick: bool) -> AsyncIterator[Figure]:
    """`smithers up --serve` until /health answers; resident memory once the run has ended."""
    count, rounds = (100, 2) if is_quick else (1_000, 7)
    starts, idle, after = [], [], []
    with folder() as path:
        steps = path / "steps.py"
        steps.write_text(_STEPS.format(count=count))
        for _ in range(rounds):
            async with _up(ROOT / "examples" / "hello.py", path) as (start_s, memory):
                starts.append(start_s)
                idle.append(memory)
        for _ in range(2):
            async with _up(steps, path) as (_, memory):
                after.append(memory)
    yield Figure("up --serve to /health", starts, "s", at_most(0.6))
    yield Figure("resident memory, two steps done", idle, "MiB", at_most(80))
    yield Figure(f"resident memory, {count:,} steps done", after, "MiB", at_most(80))


@asynccontextmanager
async def _up(workflow: Path, folder: Path) -> AsyncIterator[tuple[float, float]]:
    """Start the command; yield the seconds to its first answer and its MiB once the run has ended."""
    async with started(workflow, folder) as (pid, client, start_s):
        await ended(client)
        yield start_s, psutil.Process(pid).memory_info().rss / MIB


@asynccontextmanager
async def started(workflow: Path, folder: Path) -> AsyncIterator[tuple[int, ClientSession, float]]:
    """Start the command; yield its pid, a client of it, and the seconds to its first answer."""
    port = free_port()
    begun = perf_counter()
    command = (sys.executable, "-m", "smithersd", "up", str(workflow), "--serve", "--port", str(port))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as client:
            await _healthy(client, process)
            yield process.pid, client, perf_counter() - begun
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.wait()


async def _healthy(client: ClientSession, process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        with suppress(ClientConnectionError):
            async with client.get("/health") as answer:
                answer.raise_for_status()
                return
        await asyncio.sleep(_POLL_S)
    raise RuntimeError(f"smithers up ended at once with {process.returncode}")


async def ended(client: ClientSession) -> None:
    """Wait until the run has ended."""
    while True:
        async with client.get("/") as answer:
            if (await answer.json()).get("finishedAtMs") is not None:
                return
        await asyncio.sleep(_POLL_S)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

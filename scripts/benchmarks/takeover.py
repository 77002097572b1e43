"""How soon after the end of a stopped driver's lease the standby has the run."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks.figures import Figure, at_most
from benchmarks.grounds import Ground
from benchmarks.workflows import RUN_ID, folder
from smithersd import Store, open_store

LEASE_S = 1
_POLL_S = 0.02
_APPROVAL = """
from smithersd import Approval, workflow

@workflow
def waiting(ctx):
    return Approval("approval", title="Go?")
"""


async def measure(*, is_quick: bool, ground: Ground) -> AsyncIterator[Figure]:
    """From the end of the lease to the RunResumed of the standby, by clocks of the same machine."""
    late = [await _late_s(ground) for _ in range(2 if is_quick else 7)]
    yield Figure("a lease's end to the takeover", late, "s", at_most(1))


async def _late_s(ground: Ground) -> float:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(ground.empty())
        path = stack.enter_context(folder())
        (path / "waiting.py").write_text(_APPROVAL)
        store = await stack.enter_async_context(open_store(url))
        first = await stack.enter_async_context(_driver(path, url, "first.pid"))
        await _reaches(store, fence=1)
        await stack.enter_async_context(_driver(path, url, "second.pid"))
        await asyncio.sleep(2)  # by then it stands by
        first.send_signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE_S / 10)
        ends_at_ms = (await store.run(RUN_ID)).lease_expires_at_ms
        await _reaches(store, fence=2)
        events = await store.events(RUN_ID, after_seq=-1)
        assert ends_at_ms is not None
        resumed = next(json.loads(event.payload) for event in events if event.type == "RunResumed")
        late_s: float = (resumed["timestampMs"] - ends_at_ms) / 1_000
        return late_s


@asynccontextmanager
async def _driver(path: Path, url: str, pid_file: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smithersd", "up", "waiting.py", "--run-id", RUN_ID, "--standby",
        "--pid-file", pid_file, "--lease", str(LEASE_S), cwd=path, env={**os.environ, "SMITHERS_STORE": url},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def _reaches(store: Store, *, fence: int) -> None:
    """Wait until the run has been begun, or taken up so often, and says so in its log."""
    count = 0
    async with asyncio.timeout(60):
        while count < fence:
            await asyncio.sleep(_POLL_S)
            types = [event.type for event in await store.events(RUN_ID, after_seq=-1)]
            count = types.count("RunStarted") + types.count("RunResumed")

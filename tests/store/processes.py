"""Other processes, for tests: started, told when to go on, and always ended."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.waiting import DEADLINE_S

_ROOT = Path(__file__).parents[2]


class Child:
    """A process that runs a verb of `tests.store.child`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            line = await self.process.stdout.readline()
        assert line, await self._complaint()
        return json.loads(line)

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def _complaint(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def child(verb: str, *arguments: object) -> AsyncIterator[Child]:
    """Start a process; it is killed at the end of the block if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.child", verb, *map(str, arguments),
        cwd=_ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def ready_child(verb: str, *arguments: object) -> AsyncIterator[Child]:
    """Start a process and wait until it has opened the store."""
    async with child(verb, *arguments) as started:
        assert await started.line() == "ready"
        yield started

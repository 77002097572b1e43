"""A background task that does its work each time it is woken, and once more at its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Wakeups:
    """Calls `work` at the start and after each wake-up; several wake-ups during one call count as one."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._is_ending = False
        self._event = asyncio.Event()
        self._event.set()

    def wake(self) -> None:
        """Call `work` soon."""
        self._event.set()

    def end(self) -> None:
        """Call `work` a last time, and then let the task return."""
        self._is_ending = True
        self._event.set()

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[asyncio.Task[None]]:
        """Run the task under this name while the `with` lasts; cancel it at the end, unless it has returned."""
        task = asyncio.create_task(self._run(), name=name)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while self._event.is_set() or not self._is_ending:
            await self._event.wait()
            self._event.clear()
            await self._work()

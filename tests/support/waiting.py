"""Wait for what must come: look again and again, with a deadline only against hanging."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

DEADLINE_S = 60.0
"""What has not come by then will not come, however much else the machine has to do."""


def until(condition: Callable[[], T | None], what: str | Callable[[], str] = "a condition") -> T:
    """Wait until something is true, and return it; a running event loop is held meanwhile."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"waited in vain for {what if isinstance(what, str) else what()}"
        time.sleep(0.01)
    return found


@overload
async def until_async(condition: Callable[[], Awaitable[T | None]]) -> T: ...


@overload
async def until_async(condition: Callable[[], T | None]) -> T: ...


async def until_async(condition: Callable[[], Any]) -> Any:
    """Wait until something is true, and return it; the event loop goes on meanwhile."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.002)

"""Waiting for what must come: asked again and again, with a deadline only against hanging."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(ask: Callable[[], Awaitable[T]], *, within_s: float = 20.0) -> T:
    """Ask until the answer is true (or not empty), and return it."""
    async with asyncio.timeout(within_s):
        while not (answer := await ask()):  # noqa: ASYNC110 - what is asked for lies in a store or behind a socket
            await asyncio.sleep(0.002)
    return answer

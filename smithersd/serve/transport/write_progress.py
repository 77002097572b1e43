"""Whether a client takes what is written to it: however slowly, as long as it takes anything at all.

The kernel has a timeout for this (TCP_USER_TIMEOUT), but it also ends the connection of a client that takes little at a
time: Linux counts a small window that never has room for what comes next as a closed one.
"""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

_LOOKS_PER_TIMEOUT = 20
"""How often it is looked, while a client is waited for, whether it has taken anything."""

T = TypeVar("T")


class WriteProgress:
    """What one client has taken; `written` is to be raised by what is written to it."""

    def __init__(self, transport: asyncio.WriteTransport, *, timeout_s: float) -> None:
        self.written = 0
        self._transport = transport
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._taken = -untaken_bytes(transport)
        self._taken_at_s = self._loop.time()

    def is_stuck(self) -> bool:
        """Whether there is something to take and nothing of it was taken for `timeout_s`; to be asked now and then."""
        untaken = untaken_bytes(self._transport)
        taken = self.written - untaken
        if untaken == 0 or taken > self._taken:
            self._taken = taken
            self._taken_at_s = self._loop.time()
        return self._loop.time() - self._taken_at_s >= self._timeout_s

    async def wait(self, writing: Awaitable[T]) -> T:
        """Wait for a write as long as anything is taken.

        Raises:
            TimeoutError: nothing was taken for `timeout_s`; the connection is cut.
        """
        try:
            async with asyncio.timeout(None) as limit:
                looking = _Looking(self, limit, self._timeout_s / _LOOKS_PER_TIMEOUT)
                try:
                    return await writing
                finally:
                    looking.end()
        except TimeoutError:
            self._transport.abort()
            raise


class _Looking:
    """Looks after a client while a write to it waits."""

    def __init__(self, taking: WriteProgress, limit: asyncio.Timeout, every_s: float) -> None:
        self._taking = taking
        self._limit = limit
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(every_s, self._look)

    def end(self) -> None:
        self._next.cancel()

    def _look(self) -> None:
        if self._taking.is_stuck():
            self._limit.reschedule(self._loop.time())
        else:
            self._next = self._loop.call_later(self._every_s, self._look)


def untaken_bytes(transport: asyncio.WriteTransport) -> int:
    """Return how much of what was written to a client its system has not taken yet, as far as ours tells."""
    client = transport.get_extra_info("socket")
    queued = 0
    if client is not None and client.fileno() >= 0:
        with suppress(OSError):  # where the system does not tell it
            (queued,) = struct.unpack("i", fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, bytes(4)))
    return transport.get_write_buffer_size() + int(queued)

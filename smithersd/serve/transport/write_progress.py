"""Notice a client that reads nothing of what is written to it; one that reads slowly is not disturbed.

The kernel has a timeout for this (TCP_USER_TIMEOUT), but it also ends the connection of a client that reads little at
a time: Linux treats a small window that never has room for the next segment as a closed one.
"""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

_CHECKS_PER_TIMEOUT = 20
"""How often per timeout to look whether the client has read anything."""

T = TypeVar("T")


class WriteProgress:
    """How much one client has read. Add to `written` the bytes that are written to it."""

    def __init__(self, transport: asyncio.WriteTransport, *, timeout_s: float) -> None:
        self.written = 0
        self._transport = transport
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._acknowledged = -unacknowledged_bytes(transport)
        self._acknowledged_at_s = self._loop.time()

    def is_stuck(self) -> bool:
        """Return whether the client has bytes to read and has read none for `timeout_s`; ask regularly."""
        unacknowledged = unacknowledged_bytes(self._transport)
        acknowledged = self.written - unacknowledged
        if unacknowledged == 0 or acknowledged > self._acknowledged:
            self._acknowledged = acknowledged
            self._acknowledged_at_s = self._loop.time()
        return self._loop.time() - self._acknowledged_at_s >= self._timeout_s

    async def wait(self, writing: Awaitable[T]) -> T:
        """Wait for a write for as long as the client reads anything.

        Raises:
            TimeoutError: the client has read nothing for `timeout_s`; the connection is cut.
        """
        try:
            async with asyncio.timeout(None) as limit:
                timer = _StuckTimer(self, limit, self._timeout_s / _CHECKS_PER_TIMEOUT)
                try:
                    return await writing
                finally:
                    timer.end()
        except TimeoutError:
            self._transport.abort()
            raise


class _StuckTimer:
    """Ends a write's time limit once the client is stuck, checking every `every_s` seconds."""

    def __init__(self, progress: WriteProgress, limit: asyncio.Timeout, every_s: float) -> None:
        self._progress = progress
        self._limit = limit
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(every_s, self._check)

    def end(self) -> None:
        self._next.cancel()

    def _check(self) -> None:
        if self._progress.is_stuck():
            self._limit.reschedule(self._loop.time())
        else:
            self._next = self._loop.call_later(self._every_s, self._check)


def unacknowledged_bytes(transport: asyncio.WriteTransport) -> int:
    """Return how many of the bytes written to a client it has not acknowledged, as far as the system reports it."""
    client = transport.get_extra_info("socket")
    queued = 0
    if client is not None and client.fileno() >= 0:
        with suppress(OSError):  # where the system does not report it
            (queued,) = struct.unpack("i", fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, bytes(4)))
    return transport.get_write_buffer_size() + int(queued)

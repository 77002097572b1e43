"""Writing a feed to a client as Server-Sent Events.

Everything that is written comes from one task, in pieces that may end inside of an event: so the library's own ping,
which would come in between, is put off for ever, and this one pings when it has been silent.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from smithersd.config import STREAM_PING_S, STREAM_RETRY_MS, STREAM_WRITE_BYTES_MAX, STREAM_WRITE_TIMEOUT_S
from smithersd.feed import Encoded, Follower, LoggedEvent
from smithersd.serve.answers import EVERY_ANSWER

_log = logging.getLogger(__name__)

# Neither ends with a blank line: some clients take one for an event, with nothing in it.
_HEAD = b"retry: %d\n" % STREAM_RETRY_MS
_PING = b": ping\n"

Wanted = Callable[[Encoded], bool]
"""Whether a client asked for an event."""


def encode_event(event: LoggedEvent) -> bytes:
    """Write an event as a client gets it. Its JSON is one line."""
    return f"event: smithers\nid: {event.seq}\ndata: {event.payload}\n\n".encode()


class EventStream:
    """One client's stream, from its head to its end."""

    def __init__(
        self,
        request: web.Request,
        *,
        ping_s: float = STREAM_PING_S,
        write_timeout_s: float = STREAM_WRITE_TIMEOUT_S,
    ) -> None:
        self._request = request
        self._ping_s = ping_s
        self._write_timeout_s = write_timeout_s
        self._written_at_s = 0.0
        # send_timeout also lets the kernel give up a peer that acknowledges nothing.
        self.response = EventSourceResponse(sep="\n", ping_interval=math.inf, send_timeout=write_timeout_s)
        # The connection's life is for aiohttp to tell, who knows the client's HTTP version.
        del self.response.headers[hdrs.CONNECTION]
        self.response.headers.update(EVERY_ANSWER)

    async def run(self, follower: Follower, wanted: Wanted | None) -> None:
        """Send what the follower gives until its end, until the client leaves, or until it takes too long.

        The connection of a client that takes too long is cut: it comes back with its last id and misses nothing.
        """
        try:
            await self.response.prepare(self._request)
            async with self.response:
                await self._write(_HEAD)
                await self._send_all(follower, wanted)
                await self._within_time(self.response.write_eof())
        except (ConnectionError, TimeoutError):
            # It left, or was cut off.
            return
        except Exception:  # noqa: BLE001 - told below
            # The head is out: there is no way to tell the client but to end.
            _log.exception("An event stream broke down.")
            self._cut()

    async def _send_all(self, follower: Follower, wanted: Wanted | None) -> None:
        while events := await self._next(follower):
            await self._send(events if wanted is None else [event for event in events if wanted(event)])

    async def _next(self, follower: Follower) -> Sequence[Encoded]:
        """Take what comes next, and ping while nothing comes."""
        if follower.is_behind:
            # A client that follows a long log without pause must not keep the others from theirs.
            await asyncio.sleep(0)
        while True:
            try:
                async with asyncio.timeout_at(self._written_at_s + self._ping_s):
                    return await follower.take()
            except TimeoutError:
                await self._write(_PING)

    async def _send(self, events: Sequence[Encoded]) -> None:
        data = b"".join(event.data for event in events)
        for start in range(0, len(data), STREAM_WRITE_BYTES_MAX):
            await self._write(data[start : start + STREAM_WRITE_BYTES_MAX])

    async def _write(self, data: bytes) -> None:
        writing = self.response.write(data)
        if self._is_idle() and len(data) <= STREAM_WRITE_BYTES_MAX // 2:
            # It need not wait for the client, so it needs no timer: most writes are small, and there are many.
            await writing
        else:
            await self._within_time(writing)
        self._written_at_s = asyncio.get_running_loop().time()

    async def _within_time(self, writing: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await writing
        except TimeoutError:
            self._cut()
            raise

    def _is_idle(self) -> bool:
        """Whether the client has taken all that was written."""
        transport = self._request.transport
        return transport is not None and transport.get_write_buffer_size() == 0

    def _cut(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

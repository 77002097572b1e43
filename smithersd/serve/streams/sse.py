"""Write a feed to a client as Server-Sent Events.

One task writes everything, in pieces that may end inside an event. The library's own ping could come between two
pieces, so it is turned off, and this task pings whenever it has written nothing for a while.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from smithersd.core.json_text import one_line
from smithersd.errors import SmithersError
from smithersd.feed import Encoded, Follower, LoggedEvent
from smithersd.limits import STREAM_PING_S, STREAM_RETRY_MS, STREAM_WRITE_BYTES_MAX, WRITE_TIMEOUT_S
from smithersd.loggers import logger
from smithersd.serve.answers import EVERY_ANSWER
from smithersd.serve.transport.write_progress import WriteProgress

_log = logger(__name__)

# Neither ends with a blank line, which some clients take for an empty event.
_HEAD = b"retry: %d\n" % STREAM_RETRY_MS
_PING = b": ping\n"

CONTENT_TYPE = "text/event-stream"
_HEADERS = {
    **EVERY_ANSWER,
    hdrs.CONTENT_TYPE: f"{CONTENT_TYPE}; charset=utf-8",  # some clients decode what names no charset as Latin-1
    hdrs.CACHE_CONTROL: "no-cache, no-transform",  # a proxy that compresses would hold events back
}

EventFilter = Callable[[Encoded], bool]
"""Whether a client asked for an event."""


def encode_event(event: LoggedEvent) -> bytes:
    """Encode an event for a client, its JSON on one line."""
    return f"event: smithers\ndata: {one_line(event.payload)}\nid: {event.seq}\n\n".encode()


def retry_answer(error: SmithersError, *, after_s: int) -> web.Response:
    """Return a stream that holds only a retry time: after a status other than 200 an EventSource never reconnects."""
    body = f"retry: {after_s * 1000}\n: {error.code}\n\n"
    return web.Response(text=body, headers=_HEADERS)


class _Response(EventSourceResponse):
    """An event stream that is never compressed, even if an outer application compresses every response."""

    def enable_compression(self, *_: object, **__: object) -> None:
        """Do nothing: compression would delay events."""


class EventStream:
    """One client's stream, from its head to its end."""

    def __init__(
        self,
        request: web.Request,
        *,
        note: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        ping_s: float = STREAM_PING_S,
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        """`note` is a comment before the first event; `headers` are sent beside those that every stream has."""
        self._request = request
        self._head = _HEAD if note is None else _HEAD + f": {note}\n".encode()
        self._ping_s = ping_s
        self._written_at_s = 0.0
        assert request.transport is not None, "Streams.opened has checked it"
        self._progress = WriteProgress(request.transport, timeout_s=write_timeout_s)
        self._headers = {**_HEADERS, **headers}
        self.response = self._new_response()

    async def run(self, follower: Follower, is_wanted: EventFilter | None) -> None:
        """Send the follower's events until they end, the client disconnects, or it reads nothing for too long.

        In the last case the connection is cut; the client reconnects with its last id and misses nothing.
        """
        try:
            await self._prepare()
            async with self.response:
                await self._write(self._head)
                await self._send_all(follower, is_wanted)
                await self._progress.wait(self.response.write_eof())
        except (ConnectionError, TimeoutError):
            # The client has disconnected, or was disconnected.
            return
        except Exception:  # noqa: BLE001 - logged below
            # The head has been sent: all that can tell the client is the end of the connection.
            _log.exception("An event stream failed.")
            self._disconnect()

    def _new_response(self) -> EventSourceResponse:
        response = _Response(sep="\n", ping_interval=math.inf, send_timeout=None)
        # aiohttp sets this header itself: it knows the client's HTTP version.
        del response.headers[hdrs.CONNECTION]
        response.headers.update(self._headers)
        return response

    async def _prepare(self) -> None:
        """Send the head, even if a hook of an outer application fails on a stream."""
        try:
            await self.response.prepare(self._request)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            if self._request.writer.output_size:
                raise
            _log.warning("A hook (on_response_prepare) of the outer application failed on an event stream: %r", error)
            self._headers.update(self.response.headers)
            self.response = self._new_response()
            # A bare request belongs to no application, so it has no hooks.
            await self.response.prepare(web.BaseRequest.clone(self._request))

    async def _send_all(self, follower: Follower, is_wanted: EventFilter | None) -> None:
        while events := await self._next(follower):
            await self._send(events if is_wanted is None else [event for event in events if is_wanted(event)])

    async def _next(self, follower: Follower) -> Sequence[Encoded]:
        """Return the next events, and ping while there are none; an empty list is the end."""
        if follower.is_behind:
            # A client that replays a long log must not starve the others.
            await asyncio.sleep(0)
        while True:
            try:
                async with asyncio.timeout_at(self._written_at_s + self._ping_s):
                    return await follower.take()
            except TimeoutError:
                if self._progress.is_stuck():  # writing a ping never waits, so it would not notice
                    self._disconnect()
                    raise
                await self._write(_PING)

    async def _send(self, events: Sequence[Encoded]) -> None:
        data = b"".join(event.data for event in events)
        for start in range(0, len(data), STREAM_WRITE_BYTES_MAX):
            await self._write(data[start : start + STREAM_WRITE_BYTES_MAX])

    async def _write(self, data: bytes) -> None:
        writing = self.response.write(data)
        self._progress.written += len(data)
        if self._is_idle() and len(data) <= STREAM_WRITE_BYTES_MAX // 2:
            # It does not wait for the client, so it needs no timer: most writes are small, and there are many.
            await writing
        else:
            await self._progress.wait(writing)
        self._written_at_s = asyncio.get_running_loop().time()

    def _is_idle(self) -> bool:
        """Return whether the client has taken all that was written."""
        transport = self._request.transport
        return transport is not None and transport.get_write_buffer_size() == 0

    def _disconnect(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

"""The open event streams of an app: how many there may be, and how they end when the app does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

from smithersd.limits import STREAM_DRAIN_S, STREAM_RETRY_AFTER_S, STREAMS_MAX
from smithersd.serve.errors import NotReady, TooManyStreams
from smithersd.serve.transport.connections import connections_max


class Streams:
    """Counts the open streams, limits their number and keeps their transports."""

    def __init__(self) -> None:
        # The other connections are left for short requests, so that /health can always be reached.
        self._streams_max = min(STREAMS_MAX, connections_max() * 3 // 4)
        self._transports: dict[object, asyncio.Transport] = {}
        self._all_ended = asyncio.Event()
        self._is_closing = False

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._transports)

    @contextmanager
    def opened(self, request: web.Request) -> Iterator[None]:
        """Count a stream as open while the `with` lasts.

        Raises:
            TooManyStreams: as many streams as allowed are open.
            NotReady: the app is shutting down.
        """
        transport = request.transport
        if self._is_closing or transport is None:
            raise NotReady("The server is shutting down.")
        if self.count >= self._streams_max:
            raise TooManyStreams(
                f"All {self._streams_max} event streams are in use.", retry_after_s=STREAM_RETRY_AFTER_S
            )
        stream = object()
        self._transports[stream] = transport
        try:
            yield
        finally:
            del self._transports[stream]
            if not self._transports:
                self._all_ended.set()

    async def close(self) -> None:
        """Refuse new streams, give the open ones STREAM_DRAIN_S seconds to end, and abort the rest."""
        self._is_closing = True
        if self._transports:
            self._all_ended.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(STREAM_DRAIN_S):
                    await self._all_ended.wait()
        for transport in self._transports.values():
            transport.abort()

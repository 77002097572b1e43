"""The way to a server, in a thread of its own: it can break and refuse, or fall silent, for as long as a test wants."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

_CHUNK_BYTES = 1 << 20


class Network:
    """Passes everything on between clients and one server of this machine."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.sent: list[bytes] = []
        """What clients have sent, one or several messages in each."""
        self._server_port = server_port
        self._loop = asyncio.new_event_loop()
        self._is_passing = asyncio.Event()
        self._is_passing.set()
        self._is_refusing = False
        self._links: set[asyncio.Task[None]] = set()

    def count(self, text: bytes) -> int:
        """How many messages with this text clients have sent."""
        return sum(message.count(text) for message in list(self.sent))

    def cut(self) -> None:
        """Break all connections; nobody gets through from now on."""
        self._is_refusing = True
        asyncio.run_coroutine_threadsafe(self.break_all(), self._loop).result()

    def fall_silent(self) -> None:
        """Keep all connections, and pass nothing on."""
        self._loop.call_soon_threadsafe(self._is_passing.clear)

    def mend(self) -> None:
        """Let everything through again, what was held back too."""
        self._is_refusing = False
        self._loop.call_soon_threadsafe(self._is_passing.set)

    async def break_all(self) -> None:
        """Break all connections."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def run(self, has_begun: threading.Event, is_over: asyncio.Event) -> None:
        """Serve until it is over."""
        with closing(self._loop):
            self._loop.run_until_complete(self._serve(has_begun, is_over))

    def end(self, is_over: asyncio.Event) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(is_over.set)

    async def _serve(self, has_begun: threading.Event, is_over: asyncio.Event) -> None:
        listening = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        has_begun.set()
        await is_over.wait()
        listening.close()
        await self.break_all()

    async def _link(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        link = asyncio.create_task(self._pass_both_ways(client, to_client))
        self._links.add(link)
        await asyncio.gather(link, return_exceptions=True)
        self._links.discard(link)
        to_client.transport.abort()

    async def _pass_both_ways(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            return
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        try:
            async with asyncio.TaskGroup() as both:
                _ = both.create_task(self._pass(client, to_server, self.sent))
                _ = both.create_task(self._pass(server, to_client, []))
        finally:
            to_server.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, seen: list[bytes]) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            await self._is_passing.wait()
            seen.append(chunk)
            to.write(chunk)
        raise ConnectionResetError


@contextmanager
def network(server_port: int) -> Iterator[Network]:
    """Run a way to a server."""
    made, has_begun, is_over = Network(server_port), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=made.run, args=(has_begun, is_over))
    thread.start()
    has_begun.wait()
    try:
        yield made
    finally:
        made.end(is_over)
        thread.join()

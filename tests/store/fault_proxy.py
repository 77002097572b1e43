"""A TCP proxy that fails on purpose, between a store and its server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK_BYTES = 1 << 20
_DELAY_S = 0.02


class Fault(StrEnum):
    """What happens to a message of the client's; each request of the driver's is one."""

    CUT = "cut"
    """The connection breaks before the server has it."""
    LOSE_ANSWER = "lose answer"
    """The server gets it and acts on it; the connection breaks before the answer."""
    DROP = "drop"
    """It vanishes, and so does everything after it, without a word."""
    DELAY = "delay"
    """It comes later."""


@dataclass
class FaultProxy:
    """Passes everything on, but for what `arm` asked for."""

    port: int
    server_port: int
    messages: int = 0
    """Messages of all clients so far."""
    _numbered: dict[int, Fault] = field(default_factory=dict)
    _awaited: dict[bytes, Fault] = field(default_factory=dict)
    _passing: set["asyncio.Task[None] | None"] = field(default_factory=set)

    def arm(self, fault: Fault, after: int = 0) -> None:
        """Let a fault happen to a message to come: to the next one, or to one `after` so many others."""
        self._numbered[self.messages + after + 1] = fault

    def arm_at(self, fault: Fault, text: bytes) -> None:
        """Let a fault happen to the next message that holds a text."""
        self._awaited[text] = fault

    def _fault(self, message: bytes) -> Fault | None:
        self.messages += 1
        text = next((text for text in self._awaited if text in message), None)
        return self._numbered.pop(self.messages, None) if text is None else self._awaited.pop(text)

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Pass one client's messages on."""
        self._passing.add(asyncio.current_task())
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except ConnectionError:
            to_client.transport.abort()
            return
        back = asyncio.create_task(self._pass_back(server, to_client))
        try:
            while message := await client.read(_CHUNK_BYTES):
                fault = self._fault(message)
                if fault is Fault.CUT:
                    return
                if fault is Fault.LOSE_ANSWER:
                    back.cancel()
                    await self._wait_for_answer(server, to_server, message)
                    return
                if fault is Fault.DROP:
                    await client.read()
                    return
                if fault is Fault.DELAY:
                    await asyncio.sleep(_DELAY_S)
                to_server.write(message)
        except ConnectionError:
            pass
        finally:
            back.cancel()
            to_client.transport.abort()
            to_server.transport.abort()
            self._passing.discard(asyncio.current_task())

    async def stop(self) -> None:
        """Break all connections."""
        passing = [task for task in self._passing if task is not None]
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _wait_for_answer(
        self, server: asyncio.StreamReader, to_server: asyncio.StreamWriter, message: bytes
    ) -> None:
        await asyncio.sleep(0)  # the one who passed answers back has let go of the reader
        to_server.write(message)
        await server.read(_CHUNK_BYTES)

    async def _pass_back(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while answer := await server.read(_CHUNK_BYTES):
                to_client.write(answer)
            to_client.transport.abort()


@asynccontextmanager
async def fault_proxy(server_port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy in front of a server."""
    proxy = FaultProxy(0, server_port)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.stop()

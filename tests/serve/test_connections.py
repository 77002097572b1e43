"""Connections: what strangers can do with them, and that it costs the run nothing."""

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from smithersd.core.log import events as e
from smithersd.limits import CONNECTIONS_MAX, FILES_RESERVED
from smithersd.serve import serving
from smithersd.serve.transport.connections import Connections, connections_max
from tests.serve.conftest import MakeApp
from tests.serve.story import Story

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVENTS = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Stranger:
    """Somebody who has a connection and no token."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes = HEALTH) -> bytes:
        """Send a request and return the head of its answer."""
        self.writer.write(request)
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            if request == HEALTH:
                await self.reader.readexactly(len(b'{"ok":true}'))
        return head

    async def until_closed(self) -> bytes:
        """Read until the server has closed the connection."""
        async with asyncio.timeout(20):
            with suppress(ConnectionResetError):
                return await self.reader.read()
        return b""


class Strangers:
    """Those who connect to one server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._all: list[Stranger] = []

    async def connect(self) -> Stranger:
        stranger = Stranger(*await asyncio.open_connection("127.0.0.1", self.port))
        self._all.append(stranger)
        return stranger

    def leave(self) -> None:
        for stranger in self._all:
            stranger.writer.close()


Serve = Callable[[Connections], AbstractAsyncContextManager[Strangers]]


@pytest.fixture
def serve(make_app: MakeApp) -> Serve:
    @asynccontextmanager
    async def serve(connections: Connections) -> AsyncIterator[Strangers]:
        async with serving(make_app(), "127.0.0.1", 0, connections=connections) as server:
            strangers = Strangers(server.port)
            try:
                yield strangers
            finally:
                strangers.leave()

    return serve


async def test_who_brings_no_request_is_sent_away_however_slowly_it_drips(serve: Serve, story: Story) -> None:
    await story.begin()
    async with serve(Connections(idle_timeout_s=0.3)) as strangers:
        stream = await strangers.connect()
        assert b" 200 " in await stream.ask(EVENTS)
        silent, answered, dripping = [await strangers.connect() for _ in range(3)]
        assert b" 200 " in await answered.ask()

        async def drip() -> None:
            with suppress(ConnectionError):
                for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 8_000:
                    dripping.writer.write(bytes([byte]))
                    await asyncio.sleep(0.01)

        drops = asyncio.create_task(drip())
        assert [await one.until_closed() for one in (silent, answered, dripping)] == [b"", b"", b""]
        drops.cancel()
        await story.tell(e.RunFinished())
        assert b"RunFinished" in await stream.until_closed()


async def test_where_all_are_taken_the_idlest_makes_room(serve: Serve) -> None:
    async with serve(Connections(limit=3)) as strangers:
        first, second, third = [await strangers.connect() for _ in range(3)]
        for one in (first, second, third):
            await one.ask()
        await first.ask()
        newcomer = await strangers.connect()
        assert b" 200 " in await newcomer.ask()
        assert await second.until_closed() == b""
        assert [b" 200 " in await one.ask() for one in (first, third, newcomer)] == [True, True, True]


async def test_who_has_a_request_makes_room_for_nobody(
    serve: Serve, story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    await story.begin()
    async with serve(Connections(limit=2, idle_timeout_s=0.5)) as strangers:
        streams = [await strangers.connect() for _ in range(2)]
        for stream in streams:
            await stream.ask(EVENTS)
        for _ in range(20):
            assert await (await strangers.connect()).until_closed() == b""
        await story.tell(e.RunFinished())
        assert [b"RunFinished" in await stream.until_closed() for stream in streams] == [True, True]
    said = [line.getMessage() for line in caplog.records if line.name == "smithersd.serve.transport.connections"]
    assert said == ["All 2 connections are taken; a client was sent away."]


async def test_where_no_file_can_be_opened_clients_wait_and_the_log_has_one_line(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(Connections()) as strangers:
        clients = [socket.socket() for _ in range(5)]
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, before[1]))
        taken = []
        try:
            with suppress(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            for client in clients:
                client.setblocking(False)  # noqa: FBT003 - the standard library's own signature
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", strangers.port))
                client.send(HEALTH)
            while not caplog.records:  # noqa: ASYNC110 - what is waited for is a line of the log
                await asyncio.sleep(0.01)
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for client in clients:
            async with asyncio.timeout(20):
                assert b" 200 " in await asyncio.get_running_loop().sock_recv(client, 1_000)
            client.close()
    assert [line.getMessage() for line in caplog.records] == ["Clients must wait: no more files can be opened."]


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00" + b"\x01" * 7_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /nope HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_malformed_requests_cost_one_short_line_and_are_answered_as_all_are(
    serve: Serve, caplog: pytest.LogCaptureFixture, noise: bytes
) -> None:
    async with serve(Connections()) as strangers:
        for _ in range(50):
            stranger = await strangers.connect()
            stranger.writer.write(noise)
            answer = await stranger.until_closed()
            if b"POST" not in noise:
                head, _, body = answer.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.")
                assert b" 400 " in head
                assert b"Server: smithersd" in head
                assert body == b'{"error":{"code":"INVALID_REQUEST","message":"The request is not valid HTTP."}}'
    (line,) = [logging.Formatter().format(record) for record in caplog.records]
    assert line.startswith("A malformed request from 127.0.0.1: ")
    assert len(line) < 100


def test_connections_leave_files_to_the_engine() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = {}
    try:
        for soft in (100, 1_024):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
            found[soft] = connections_max()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert found == {100: 50, 1_024: 1_024 - FILES_RESERVED}
    assert connections_max() <= CONNECTIONS_MAX

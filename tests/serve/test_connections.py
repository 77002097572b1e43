"""Connections: what strangers can do with them, and that it costs the run nothing."""

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from smithersd.core.log import events as e
from smithersd.limits import CONNECTIONS_MAX, FILES_RESERVED
from smithersd.serve import serving
from smithersd.serve.transport.connections import Connections, connections_max
from tests.serve.conftest import MakeApp
from tests.serve.story import Story
from tests.support.waiting import DEADLINE_S

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
        async with asyncio.timeout(DEADLINE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            if request == HEALTH:
                await self.reader.readexactly(len(b'{"ok":true}'))
        return head

    async def until_closed(self) -> bytes:
        """Read until the server has closed the connection."""
        async with asyncio.timeout(DEADLINE_S):
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

    async def left(self) -> None:
        self.leave()
        for stranger in self._all:
            with suppress(ConnectionError):
                await stranger.writer.wait_closed()

    def leave(self) -> None:
        for stranger in self._all:
            stranger.writer.close()


Serve = Callable[..., AbstractAsyncContextManager[Strangers]]


@pytest.fixture
async def serve(make_app: MakeApp) -> AsyncIterator[Serve]:
    served: list[Strangers] = []

    @asynccontextmanager
    async def serve(connections: Connections, *, are_kept: bool = False) -> AsyncIterator[Strangers]:
        """Serve strangers; those who are kept are still there when the server stops."""
        async with serving(make_app(), "127.0.0.1", 0, connections=connections) as server:
            strangers = Strangers(server.port)
            served.append(strangers)
            try:
                yield strangers
            finally:
                if not are_kept:
                    strangers.leave()

    yield serve
    for strangers in served:
        await strangers.left()


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
    assert said == ["All 2 connections are in use; a new one was closed."]


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
            async with asyncio.timeout(DEADLINE_S):
                assert b" 200 " in await asyncio.get_running_loop().sock_recv(client, 1_000)
            client.close()
    assert [line.getMessage() for line in caplog.records] == [
        "New connections have to wait: no more files can be opened."
    ]


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


BODY = b'{"note": "later"}'
REFUSED = (
    b"POST /approve/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(BODY)
)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (b"", HEALTH, b"200"),
        (HEALTH[:20], HEALTH[20:], b"200"),
        (REFUSED, BODY, b"404"),
        (REFUSED + BODY[:3], BODY[3:], b"404"),
    ],
    ids=["nothing", "half-a-head", "head", "half-a-body"],
)
async def test_a_request_on_a_connection_that_was_taken_is_answered_while_the_server_stops(
    serve: Serve, before: bytes, after: bytes, status: bytes
) -> None:
    connections = Connections(arrival_s=20)
    async with AsyncExitStack() as stopping:
        strangers = await stopping.enter_async_context(serve(connections, are_kept=True))
        answered = await strangers.connect()
        await answered.ask()
        other = await strangers.connect()
        await other.ask()
        asking = await strangers.connect()
        asking.writer.write(before)
        await answered.ask()  # by now the other connection is taken
        stop = asyncio.create_task(stopping.pop_all().aclose())
        assert await answered.until_closed() == b""  # who has its answer is sent away at once
        assert not stop.done()
        asking.writer.write(after)
        answer = await asking.until_closed()
        await stop
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_request_in_the_buffer_of_a_kept_connection_is_answered(serve: Serve) -> None:
    async with serve(Connections(), are_kept=True) as strangers:
        asking = await strangers.connect()
        await asking.ask()
        client = asking.writer.get_extra_info("socket")
        os.write(client.fileno(), HEALTH)  # and the loop, which reads it, gets no turn before the stop
    assert (await asking.until_closed()).endswith(b'{"ok":true}')


async def test_who_waits_to_be_taken_when_the_server_stops_is_answered(serve: Serve) -> None:
    async with serve(Connections(), are_kept=True) as strangers:
        with socket.create_connection(("127.0.0.1", strangers.port)) as client:
            client.sendall(HEALTH)
            queued = client.dup()
    with queued:
        queued.settimeout(20)
        assert queued.recv(4_096).startswith(b"HTTP/1.1 200")


async def test_who_waits_at_a_socket_that_was_given_is_left_to_the_next_process(make_app: MakeApp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        async with serving(make_app(), "unused", 0, sockets=[listener.dup()]):
            client.connect(listener.getsockname())
            client.sendall(HEALTH)
        async with serving(make_app(), "unused", 0, sockets=[listener.dup()]):
            client.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            async with asyncio.timeout(DEADLINE_S):
                answer = await asyncio.get_running_loop().sock_recv(client, 4_096)
    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_stop_does_not_wait_for_ever_for_who_asks_nothing(serve: Serve) -> None:
    async with serve(Connections(arrival_s=0.05), are_kept=True) as strangers:
        silent = await strangers.connect()
        await (await strangers.connect()).ask()
    assert await silent.until_closed() == b""

"""Streams among each other: pings, slow clients, many clients, too many, and the end of the server."""

import asyncio
import random
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd.core.log import events as e
from smithersd.feed import Feed
from smithersd.limits import STREAMS_MAX
from smithersd.query.stored_log import StoredLog
from smithersd.serve import create_serve_app, serving
from smithersd.serve.streams.sse import EventFilter, EventStream, encode_event
from smithersd.store import Store, open_store
from tests.serve.conftest import Client, Demo, MakeApp
from tests.serve.story import Story, pending
from tests.support.streaming import Message, read_messages, stream
from tests.support.waiting import until_async

NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_read=30)


@pytest.fixture
async def url(make_app: MakeApp) -> AsyncIterator[str]:
    """The app on the server that the product runs it on."""
    async with serving(make_app(), "127.0.0.1", 0) as server:
        yield server.url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=NO_LIMIT) as session:
        yield session


Streaming = Callable[..., Awaitable[Client]]


@pytest.fixture
def streaming(store: Store, aiohttp_client: Any) -> Streaming:
    """A client of an app that only streams, with the limits that a test gives."""

    async def make(feed: Feed | None = None, wanted: EventFilter | None = None, **limits: Any) -> Client:
        followed = feed or Feed(StoredLog(store, "run-1"), encode=encode_event)

        async def events(request: web.Request) -> web.StreamResponse:
            writing = EventStream(request, **limits)
            async with followed.follow(-1) as follower:
                await writing.run(follower, wanted)
            return writing.response

        app = web.Application()
        app.router.add_get("/events", events)
        client: Client = await aiohttp_client(app, server_kwargs={"handler_cancellation": True})
        return client

    return make


async def test_a_silent_stream_pings(streaming: Streaming, story: Story) -> None:
    client = await streaming(ping_s=0.02)
    async with client.get("/events") as response:
        assert await response.content.readline() == b"retry: 1000\n"
        for _ in range(3):
            assert await response.content.readline() == b": ping\n"
        await story.begin(e.RunFinished())
        assert b"RunFinished" in await response.content.read()


async def test_a_stream_pings_too_while_all_that_comes_is_filtered_out(streaming: Streaming, story: Story) -> None:
    client = await streaming(wanted=lambda event: event.is_terminal, ping_s=0.02)
    await story.begin()
    async with client.get("/events") as response:
        assert await response.content.readline() == b"retry: 1000\n"
        ping = asyncio.create_task(response.content.readline())
        while not ping.done():
            await story.tell(e.RunResumed(1, workflow_changed=False))
        assert await ping == b": ping\n"


def deaf_socket(host: str, port: int | None) -> socket.socket:
    """A client that asks for the events and reads nothing."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    deaf.connect((host, port))
    deaf.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return deaf


def read_what_is_left(deaf: socket.socket) -> bytes:
    """Read at last, until the other side has closed."""
    got = b""
    with deaf, suppress(ConnectionResetError):
        while part := deaf.recv(65_536):
            got += part
    return got


async def shout(story: Story, count: int) -> None:
    """Commit events of 64 KiB."""
    for _ in range(count):
        await story.tell(e.NodeOutput("a", 0, 1, "x" * 65_536, "stdout"))


async def test_who_never_reads_is_cut_off_and_slows_nobody(streaming: Streaming, store: Store, story: Story) -> None:
    feed = Feed(StoredLog(store, "run-1"), encode=encode_event)
    client = await streaming(feed, write_timeout_s=1.0)
    deaf = await asyncio.to_thread(deaf_socket, client.host, client.port)
    await story.begin(pending("a"), e.NodeStarted("a", 0, 1))

    async def is_followed() -> bool:
        return feed.is_tailing

    await until_async(is_followed)
    reading = asyncio.create_task(stream(client))
    await shout(story, 200)
    await story.tell(e.RunFinished())
    assert [message.seq for message in await reading] == list(range(story.state.last_seq + 1))

    async def is_cut_off() -> bool:
        return not feed.is_tailing

    await until_async(is_cut_off)

    got = await asyncio.to_thread(read_what_is_left, deaf)
    assert len(got) < 10_000_000
    assert not got.endswith(b"0\r\n\r\n")


def read_slowly(reader: socket.socket) -> bytes:
    """Read to the end, a little every now and then: a single write takes longer than a client may take nothing."""
    got = b""
    with reader:
        while not got.endswith(b"0\r\n\r\n") and (part := reader.recv(2_048)):
            got += part
            time.sleep(0.02)
    return got


async def test_who_reads_ever_so_slowly_is_not_cut_off(streaming: Streaming, store: Store, story: Story) -> None:
    client = await streaming(write_timeout_s=0.5)
    slow = await asyncio.to_thread(deaf_socket, client.host, client.port)
    await story.begin(pending("a"), e.NodeStarted("a", 0, 1))
    await shout(story, 5)
    await story.tell(e.RunFinished())
    got = await asyncio.to_thread(read_slowly, slow)
    assert got.count(b"event: smithers") == story.state.last_seq + 1
    assert got.endswith(b"0\r\n\r\n")


async def test_a_slow_reader_misses_nothing(url: str, http: aiohttp.ClientSession, story: Story) -> None:
    await story.begin(pending("a"), e.NodeStarted("a", 0, 1))

    async def shout_to_the_end() -> None:
        await shout(story, 150)
        await story.tell(e.RunFinished())

    found: list[Message] = []
    async with http.get(f"{url}/events") as response, asyncio.TaskGroup() as group:
        group.create_task(shout_to_the_end())
        while new := await read_messages(response, count=1):
            found += new
            await asyncio.sleep(0.001)
    assert [message.seq for message in found] == list(range(story.state.last_seq + 1))


async def test_two_hundred_clients_at_once_all_get_everything(
    url: str, http: aiohttp.ClientSession, story: Story
) -> None:
    await story.begin(pending("a"), e.NodeStarted("a", 0, 1))

    async def follow() -> list[int]:
        async with http.get(f"{url}/events") as response:
            return [message.seq for message in await read_messages(response)]

    followers = [asyncio.create_task(follow()) for _ in range(200)]
    for number in range(100):
        await story.tell(pending(f"task-{number}"), pending(f"other-{number}"))
    await story.tell(e.RunFinished())
    whole = list(range(story.state.last_seq + 1))
    assert all(found == whole for found in await asyncio.gather(*followers))


async def test_one_stream_too_many_is_told_when_to_come_back(url: str, http: aiohttp.ClientSession) -> None:
    async with asyncio.TaskGroup() as group:
        opening = [group.create_task(http.get(f"{url}/events").__aenter__()) for _ in range(STREAMS_MAX)]
    responses = [task.result() for task in opening]
    assert {response.status for response in responses} == {200}
    async with http.get(f"{url}/events") as refused:
        error = (await refused.json())["error"]
        assert (refused.status, error["code"], refused.headers["Retry-After"]) == (429, "TOO_MANY_STREAMS", "5")
    async with http.get(f"{url}/events", headers={"Accept": "text/event-stream"}) as put_off:
        assert (put_off.status, put_off.content_type) == (200, "text/event-stream")
        assert await put_off.text() == "retry: 5000\n: TOO_MANY_STREAMS\n\n"
    assert "smithers_streams_active 1000.0" in await (await http.get(f"{url}/metrics")).text()
    responses.pop().close()

    async def is_admitted() -> bool:
        async with http.get(f"{url}/events") as response:
            return response.status == 200

    assert await until_async(is_admitted)
    for response in responses:
        response.close()


async def test_at_the_end_of_the_server_streams_get_the_last_events(make_app: MakeApp, story: Story) -> None:
    await story.begin(pending("a"), e.NodeStarted("a", 0, 1))
    async with aiohttp.ClientSession(timeout=NO_LIMIT) as http:
        async with serving(make_app(), "127.0.0.1", 0) as server:
            responses = [await http.get(f"{server.url}/events") for _ in range(20)]
            deaf = await asyncio.to_thread(deaf_socket, "127.0.0.1", server.port)
            reading = [asyncio.create_task(read_messages(response)) for response in responses]
            await shout(story, 10)
            await story.tell(e.RunSuspended("stopped"))
        found = await asyncio.gather(*reading)
    whole = list(range(story.state.last_seq + 1))
    assert [[message.seq for message in messages] for messages in found] == [whole] * 20
    assert not (await asyncio.to_thread(read_what_is_left, deaf)).endswith(b"0\r\n\r\n")


async def test_no_stream_begins_once_the_server_ends(make_app: MakeApp, aiohttp_client: Any, story: Story) -> None:
    await story.begin()
    app = make_app()
    client = await aiohttp_client(app)
    await app.shutdown()
    response = await client.get("/events")
    assert (response.status, (await response.json())["error"]["code"]) == (503, "NOT_READY")
    put_off = await client.get("/events", headers={"Accept": "text/event-stream"})
    assert (put_off.status, await put_off.text()) == (200, "retry: 5000\n: NOT_READY\n\n")


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_never_a_gap_a_duplicate_or_a_reorder_over_any_reconnects(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_check_reconnects(random.Random(seed), Path(folder) / "runs.db"))


async def _check_reconnects(chance: random.Random, path: Path) -> None:
    async with open_store(path) as store, aiohttp.ClientSession(timeout=NO_LIMIT) as http:
        app = create_serve_app(Demo(), store=store, run_id="run-1", abort=asyncio.Event())
        story = Story(store)
        async with serving(app, "127.0.0.1", 0) as server:
            followers = [asyncio.create_task(_follow(chance, http, server.url)) for _ in range(5)]
            await story.begin()
            for number in range(chance.randint(0, 60)):
                await story.tell(*(pending(f"{number}-{one}") for one in range(chance.choice([1, 1, 5, 100]))))
            await story.tell(e.RunFinished())
            rows = await store.events("run-1", after_seq=-1)
            whole = [Message(row.seq, row.payload) for row in rows]
            for follower in followers:
                assert await follower == whole


async def _follow(chance: random.Random, http: aiohttp.ClientSession, url: str) -> list[Message]:
    """Follow to the end, now and then cutting the connection, in the middle of a frame too."""
    found: list[Message] = []
    while True:
        last_seq = str(found[-1].seq if found else -1)
        by_header = bool(found) and chance.random() < 0.5
        parameters, headers = ({}, {"Last-Event-ID": last_seq}) if by_header else ({"afterSeq": last_seq}, {})
        async with http.get(f"{url}/events", params=parameters, headers=headers) as response:
            if response.status == 204:
                return found
            count = chance.choice([1, 2, 30, None])
            found += await read_messages(response, count=count)
            if response.content.at_eof():
                return found
            await response.content.read(chance.randint(0, 50))

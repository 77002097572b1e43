"""GET /events: what goes over the wire, from where it starts, and when it ends."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse

from smithersd.core.log import events as e
from smithersd.core.log.states import RunStatus
from smithersd.limits import STREAM_PING_S
from tests.serve.conftest import Client
from tests.serve.story import Story, pending
from tests.support.streaming import seqs, stream

HEAD = b"retry: 1000\n"


async def tell_story(story: Story) -> int:
    """A run of a few events; return the seq of the last one."""
    await story.begin(pending("a"), pending("b"))
    await story.run_task("c", "ü")
    await story.tell(e.NodeStarted("a", 0, 1), e.NodeOutput("a", 0, 1, "two\nlines\r\n\u2028\u2029\x85 ü", "stdout"))
    await story.tell(e.NodeFinished("a", 0, 1))
    await story.tell(e.RunFinished())
    return story.state.last_seq


async def open_raw(client: Client, path: str = "/events", *, version: str = "1.1") -> tuple[Any, Any]:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {path} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
    return reader, writer


async def test_head_and_retry_come_before_any_event(client: Client, story: Story) -> None:
    reader, writer = await open_raw(client)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    assert head[0] == "http/1.1 200 ok"
    for line in (
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-cache, no-transform",
        "smithers-run: run-1",
        "x-content-type-options: nosniff",
        "x-accel-buffering: no",
        "transfer-encoding: chunked",
    ):
        assert head.count(line) == 1
    assert sum(line.startswith("cache-control:") for line in head) == 1
    assert await reader.readexactly(len(HEAD) + 5) == b"c\r\n" + HEAD + b"\r\n"
    await story.begin()
    writer.close()
    await writer.wait_closed()


async def test_an_event_is_these_bytes(client: Client, story: Story) -> None:
    last_seq = await tell_story(story)
    rows = await story.store.events("run-1", after_seq=-1)
    body = await (await client.get("/events")).read()
    texts = [row.payload.replace("\u2028\u2029\x85", "\\u2028\\u2029\\u0085") for row in rows]
    frames = "".join(f"event: smithers\ndata: {text}\nid: {row.seq}\n\n" for row, text in zip(rows, texts, strict=True))
    assert body == HEAD + frames.encode()
    assert len(body.decode().splitlines()) == len(body.split(b"\n")) - 1
    assert rows[-1].seq == last_seq
    said = next(json.loads(row.payload) for row in rows if row.type == "NodeOutput")
    assert said["text"] == "two\nlines\r\n\u2028\u2029\x85 ü"
    assert set(said) == {"type", "runId", "nodeId", "iteration", "attempt", "text", "stream", "timestampMs"}


async def test_an_old_client_reads_until_the_connection_closes(client: Client, story: Story) -> None:
    await tell_story(story)
    reader, writer = await open_raw(client, version="1.0")
    answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body == await (await client.get("/events")).read()
    writer.close()
    await writer.wait_closed()


async def test_httpx_sse_reads_it_all(client: Client, story: Story) -> None:
    last_seq = await tell_story(story)
    url = str(client.make_url("/events"))
    async with httpx.AsyncClient() as other, aconnect_sse(other, "GET", url) as source:
        found = [message async for message in source.aiter_sse()]
    rows = await story.store.events("run-1", after_seq=-1)
    assert [(int(message.id), message.event, json.loads(message.data)) for message in found] == [
        (row.seq, "smithers", json.loads(row.payload)) for row in rows
    ]
    assert len(found) == last_seq + 1
    assert [message.retry for message in found] == [1_000, *([None] * last_seq)]


async def test_events_come_as_they_are_committed_and_the_stream_ends_after_the_last(
    client: Client, story: Story
) -> None:
    async with client.get("/events") as response:
        assert await response.content.readline() == HEAD
        await story.begin()
        for number in range(20):
            await story.tell(pending(f"task-{number}"))
            frame = await response.content.readuntil(b"\n\n")
            if number == 0:
                frame = await response.content.readuntil(b"\n\n")  # after RunStarted
            assert f'"task-{number}"'.encode() in frame
        await story.tell(e.RunFinished())
        assert b"RunFinished" in await response.content.read()


@pytest.mark.parametrize(
    ("query", "headers", "first"),
    [
        ("", {}, 0),
        ("?afterSeq=-1", {}, 0),
        ("?afterSeq=0", {}, 1),
        ("?afterSeq=2", {}, 3),
        ("", {"Last-Event-ID": "2"}, 3),
        ("?afterSeq=1", {"Last-Event-ID": "3"}, 4),
        ("?afterSeq=3", {"Last-Event-ID": "1"}, 4),
        ("?afterSeq=-1", {"Last-Event-ID": "3"}, 4),
        ("?afterSeq=00000", {"last-event-id": "  3 "}, 4),
        ("?lastEventId=2", {}, 3),
        ("?lastEventId=", {}, 0),
        ("?lastEventId=x&afterSeq=2", {}, 3),
        ("?lastEventId=1&afterSeq=2", {"Last-Event-ID": "3"}, 4),
        ("?lastEventId=3&afterSeq=2", {"Last-Event-ID": "1"}, 4),
    ],
)
async def test_starts_after_the_larger_of_both_cursors(
    client: Client, story: Story, query: str, headers: dict[str, str], first: int
) -> None:
    last_seq = await tell_story(story)
    assert await seqs(client, query, count=None, **headers) == list(range(first, last_seq + 1))


@pytest.mark.parametrize(
    "last_id", ["", "x", "3x", "1.0", "-2", "-1", "10", "99", "9223372036854775807", "9" * 400, "0x1", "%33", "null"]
)
async def test_a_last_event_id_that_is_none_of_this_run_is_ignored(client: Client, story: Story, last_id: str) -> None:
    assert await tell_story(story) == 9
    assert await seqs(client, "", count=None, **{"Last-Event-ID": last_id}) == list(range(10))
    assert await seqs(client, "?afterSeq=5", count=None, **{"Last-Event-ID": last_id}) == [6, 7, 8, 9]


@pytest.mark.parametrize("query", ["", "?lastEventId=99&afterSeq=4"])
async def test_a_last_event_id_beyond_the_log_is_told_where_the_stream_starts(
    client: Client, story: Story, query: str
) -> None:
    await tell_story(story)
    body = await (await client.get(f"/events{query}", headers={"Last-Event-ID": "77"})).read()
    _, note, first, *_ = body.decode().split("\n")
    place = "after event 4" if query else "at its beginning"
    assert note.startswith(": this run has no event ")
    assert note.endswith(f": the stream starts {place}")
    assert first == "event: smithers"


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Last-Event-ID": "9"}),
        ("?afterSeq=-1", {"Last-Event-ID": "9"}),
        ("?afterSeq=500", {"Last-Event-ID": "9"}),
        ("?types=NodeStarted&node=a", {"Last-Event-ID": "9"}),
        ("?lastEventId=9", {}),
        ("?afterSeq=9", {}),
        ("?afterSeq=10", {}),
        (f"?afterSeq={2**63 - 1}", {"Last-Event-ID": "3"}),
    ],
)
async def test_who_has_seen_the_end_is_told_to_stop(
    client: Client, story: Story, query: str, headers: dict[str, str]
) -> None:
    assert await tell_story(story) == 9
    response = await client.get(f"/events{query}", headers=headers)
    assert response.status == 204
    assert await response.read() == b""
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_last_event_of_a_live_run_is_no_end(client: Client, story: Story) -> None:
    await story.begin(pending("a"))
    waiting = asyncio.create_task(seqs(client, "", count=None, **{"Last-Event-ID": "1"}))
    await story.tell(e.RunFinished())
    assert await waiting == [2]


async def test_a_query_beyond_a_live_log_waits_for_its_place_or_for_the_end(client: Client, story: Story) -> None:
    await story.begin()
    near, far = (asyncio.create_task(seqs(client, f"?afterSeq={after}")) for after in (4, 500))
    for number in range(6):
        await story.tell(pending(f"task-{number}"))
    await story.tell(e.RunFinished())
    assert await near == [5, 6, 7]
    assert await far == []


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("?types=NodeStarted", ["NodeStarted", "NodeStarted", "RunFinished"]),
        ("?types=NodeOutput,RunStarted", ["RunStarted", "NodeOutput", "RunFinished"]),
        ("?types=RunFinished", ["RunFinished"]),
        ("?types=RunFailed", ["RunFinished"]),
        ("?types=OfALaterVersion", ["RunFinished"]),
        ("?types=nodestarted,RunStarted", ["RunStarted", "RunFinished"]),
        ("?node=a", ["NodePending", "NodeStarted", "NodeOutput", "NodeFinished", "RunFinished"]),
        ("?node=nowhere", ["RunFinished"]),
        ("?node=", ["RunFinished"]),
        ("?node=c&types=NodePending,NodeFinished", ["NodePending", "NodeFinished", "RunFinished"]),
        ("?node=a&afterSeq=6", ["NodeOutput", "NodeFinished", "RunFinished"]),
    ],
)
async def test_filters_let_pass_what_was_asked_for_and_the_end(
    client: Client, story: Story, query: str, types: list[str]
) -> None:
    await tell_story(story)
    assert [json.loads(message.data)["type"] for message in await stream(client, query)] == types


@pytest.mark.parametrize("query", ["?types=", "?types=No-pe", "?types=NodeStarted,", "?types=Node%20Started"])
async def test_what_cannot_be_a_type_is_refused_before_any_header(client: Client, query: str) -> None:
    response = await client.get(f"/events{query}")
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "INVALID_REQUEST")
    assert "NodeStarted" in error["message"]


async def test_a_suspension_is_no_end(client: Client, story: Story) -> None:
    await story.begin()
    reading = asyncio.create_task(stream(client))
    await story.tell(e.RunStatusChanged(RunStatus.WAITING_APPROVAL))
    await story.tell(e.RunSuspended("stopped"))
    await story.tell(e.RunResumed(2, workflow_changed=False))
    await story.tell(e.RunCancelled())
    assert [json.loads(message.data)["type"] for message in await reading][-2:] == ["RunResumed", "RunCancelled"]


def test_a_silent_stream_is_heard_of_within_ten_seconds() -> None:
    assert STREAM_PING_S < 10

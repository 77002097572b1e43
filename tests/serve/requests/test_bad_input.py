"""Whatever comes in: never a server error, never a change of state, and the server stays well."""

import asyncio
import json
import re
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from smithersd.serve import create_serve_app, serving
from smithersd.store import Store, open_store
from tests.serve.conftest import Demo
from tests.serve.paths import path_of
from tests.serve.story import Story, pending
from tests.support.waiting import DEADLINE_S

Send = Callable[[bytes], Awaitable[bytes]]


class Target:
    """A run with a task and an approval that nobody drives, and its server; it must stay as it is."""

    def __init__(self, store: Store, url: str, port: int, http: aiohttp.ClientSession) -> None:
        self.store = store
        self.url = url
        self.port = port
        self.http = http

    async def state(self) -> tuple[Any, ...]:
        run = await self.store.run("run-1")
        return run.last_seq, run.status, run.fence, run.owner, tuple(await self.store.requests("run-1"))

    async def ask(self, method: str, url: URL | str, **more: Any) -> int:
        """Send a request through a client and return the status of its answer, which is as all answers are."""
        async with self.http.request(method, url, **more) as response:
            if response.content_type == "text/event-stream":
                return response.status
            body = await response.read()
            if response.status >= 400 and method != "HEAD":
                assert set(json.loads(body)) == {"error"}
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            return response.status

    async def raw(self, data: bytes) -> tuple[int, bytes]:
        """Send bytes and return status and bytes of the answer; status 0 when the server just hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(DEADLINE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: ([0-9]+)", head)
                body = b"" if length is None else await reader.readexactly(int(length[1]))
            return int(head.split(b" ", 2)[1]), head + body
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0, b""
        finally:
            writer.close()

    async def hang_up_on(self, data: bytes) -> bytes:
        """Send bytes, say that there are no more, and return what comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            writer.write_eof()
            async with asyncio.timeout(DEADLINE_S):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Target]:
    async with open_store(tmp_path / "runs.db") as store, aiohttp.ClientSession() as http:
        app = create_serve_app(Demo(), store=store, run_id="run-1", abort=asyncio.Event())
        story = Story(store)
        await story.begin(pending("a"), story.frame({"kind": "task", "id": "a"}))
        await story.ask()
        await story.abandon()
        async with serving(app, "127.0.0.1", 0) as server:
            made = Target(store, server.url, server.port, http)
            before = await made.state()
            yield made
            assert await made.state() == before
            assert await made.ask("GET", f"{server.url}/") == 200
            assert await made.ask("GET", f"{server.url}/ready") == 200


ROUTES = [
    "/",
    "/frames",
    "/nodes",
    "/nodes/a",
    "/result",
    "/approvals",
    "/events",
    "/health",
    "/ready",
    "/metrics",
    "/nope",
]
APPROVAL = "/approve/approval"
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

wild_text = st.text(st.characters(codec="utf-8"), max_size=30) | st.text(string.printable, max_size=30)
names = st.sampled_from(["iteration", "note", "decidedBy", "decision", "", "__proto__", "ITERATION"]) | wild_text
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | wild_text
    | st.sampled_from([2**63, -(2**63), 1e308, "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(wild_text, inner, max_size=4),
    max_leaves=12,
)


def is_refused(body: Any) -> bool:
    """Whether a body names something that no decision has."""
    return not isinstance(body, dict) or bool(set(body) - {"iteration", "note", "decidedBy", "decision"})


@FUZZ
@given(body=(st.dictionaries(names, json_values, max_size=5) | json_values).filter(is_refused))
async def test_json_that_is_no_decision(target: Target, body: Any) -> None:
    for verb in ("approve", "deny"):
        assert await target.ask("POST", f"{target.url}/{verb}/approval", data=json.dumps(body)) == 400
    assert await target.ask("POST", f"{target.url}/cancel", data=json.dumps(body or [])) == 400


@FUZZ
@given(body=st.binary(min_size=1, max_size=200) | wild_text.filter(bool).map(str.encode))
async def test_bytes_that_are_no_json_object(target: Target, body: bytes) -> None:
    try:
        if isinstance(json.loads(body), dict):
            return
    except ValueError:
        pass
    assert await target.ask("POST", f"{target.url}{APPROVAL}", data=body) == 400


@FUZZ
@given(
    route=st.sampled_from(ROUTES),
    query=st.lists(
        st.tuples(
            st.sampled_from(["limit", "after", "afterSeq", "afterFrameNo", "iteration", "types", "node"]), wild_text
        )
        | st.tuples(wild_text, wild_text),
        max_size=4,
    ),
)
async def test_queries_of_any_kind(target: Target, route: str, query: list[tuple[str, str]]) -> None:
    url = URL(f"{target.url}{route}").with_query(query)
    assert await target.ask("GET", url) in {200, 400, 404}


@FUZZ
@given(node_id=wild_text.filter(bool), route=st.sampled_from(["nodes", "approve", "deny", "%61pprove"]))
async def test_node_ids_of_any_kind(target: Target, node_id: str, route: str) -> None:
    if node_id in {"a", "approval"}:
        return
    method = "GET" if "nodes" in route else "POST"
    assert await target.ask(method, path_of(f"{target.url}/{route}", node_id)) == 404


header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)


@FUZZ
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["Last-Event-ID", "Authorization", "x-smithers-key", "Accept", "Accept-Encoding", "Content-Type", "Cookie",
             "Origin", "Sec-Fetch-Site", "If-None-Match", "Range", "X-Forwarded-For", "Content-Encoding", "Upgrade"]
        ),
        header_values,
        max_size=5,
    ),
    route=st.sampled_from(ROUTES),
)  # fmt: skip
async def test_headers_of_any_kind(target: Target, headers: dict[str, str], route: str) -> None:
    lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items())
    status, answer = await target.raw(b"GET " + route.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
    assert 200 <= status < 500
    assert b"Traceback" not in answer


@FUZZ
@given(noise=st.binary(max_size=300))
async def test_noise_on_the_socket(target: Target, noise: bytes) -> None:
    for data in (
        noise,
        b"GET / HTTP/1.1\r\n" + noise,
        b"POST /approve/approval HTTP/1.1\r\nHost: localhost\r\n" + noise,
    ):
        answer = await target.hang_up_on(data + b"\r\n\r\n")
        assert not answer or int(answer.split(b" ", 2)[1]) < 500
        assert b"Traceback" not in answer


HOST = b"Host: localhost\r\n"
POST = b"POST /approve/approval HTTP/1.1\r\n" + HOST
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (POST + b"Content-Length: x\r\n\r\n{}", {400}),
        (POST + b"Content-Length: -1\r\n\r\n{}", {400}),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", {400}),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", {400}),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n", {400, 413}),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n{", {400}),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\n", {400, 413}),
        (POST + b"Content-Length: 2000000\r\n\r\n{", {413}),
        (POST + b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", {415}),
        (POST + b"Content-Encoding: deflate\r\nContent-Length: 3\r\n\r\nabc", {415}),
        (POST + b"Content-Encoding: nonsense\r\nContent-Length: 1\r\n\r\n{", {415}),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (POST + UPGRADE + b"Upgrade: websocket\r\nContent-Length: 15\r\n\r\n" + b'{"iteration":7}', {409}),
        (POST + UPGRADE + b"Upgrade: h2c\r\nContent-Length: 15\r\n\r\n" + b'{"iteration":7}', {409}),
        (POST + UPGRADE + b"Upgrade: tcp\r\nContent-Length: 15\r\n\r\n" + b'{"iteration":7}', {409}),
        (POST + b"Expect: nonsense\r\nContent-Length: 1\r\n\r\n{", {400, 417}),
        (b"POST /nope HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n{", {404, 100}),
        (b"POST /nope HTTP/1.1\r\n" + HOST + b"Expect: nonsense\r\nContent-Length: 1\r\n\r\n{", {404, 417}),
        (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", {400, 505}),
        (b"GET / HTTP/1.1\r\n\r\n", {400, 403}),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", {400, 403}),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", {403}),
        (b"GET //evil.example/approve/approval HTTP/1.1\r\n" + HOST + b"\r\n", {404}),
        (b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", {404}),
        (b"GET /nodes/%2e%2e HTTP/1.1\r\n" + HOST + b"\r\n", {404}),
        (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
        (b"GET /nodes/\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404}),
        (b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, 405}),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, 405}),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 100_000 + b"\r\n\r\n", {400, 431}),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {400, 414}),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 50_000 + b"\r\n", {400, 431}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 405, 505}),
    ],
)
async def test_by_hand_on_the_socket(target: Target, data: bytes, statuses: set[int]) -> None:
    status, answer = await target.raw(data)
    assert status in statuses
    assert b"Traceback" not in answer


async def test_a_chunked_body_without_end_is_refused_once_it_is_too_large(target: Target) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")

    async def pour() -> None:
        try:
            while True:
                writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            return

    pouring = asyncio.create_task(pour())
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        await pouring
    writer.close()


async def test_a_body_that_stops_half_way_does_nothing(target: Target) -> None:
    for ends in (True, False):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(POST + b'Content-Length: 100\r\n\r\n{"note":"x"}')
        await writer.drain()
        if ends:
            writer.write_eof()
            await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_pipelined_requests_are_answered_in_order(target: Target) -> None:
    head = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    closing = b"GET /ready HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(head + b"GET /nope HTTP/1.1\r\n" + HOST + b"\r\n" + closing)
    answer = await reader.read()
    assert [int(part.split(b" ", 1)[0]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]
    writer.close()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "GET", "HEAD"])
async def test_no_other_method_decides_anything(target: Target, method: str) -> None:
    for path in ("/approve/approval", "/deny/approval", "/cancel"):
        assert await target.ask(method, f"{target.url}{path}", headers={"X-HTTP-Method-Override": "POST"}) == 405


async def test_a_form_of_another_site_decides_nothing(target: Target) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        status = await target.ask(
            "POST", f"{target.url}/approve/approval", data="{}", headers={"Content-Type": "text/plain"} | headers
        )
        assert status == 403

"""Mounted under a prefix in somebody else's application, the app keeps its paths, its limits and its guard."""

import asyncio
import io
from typing import Any

import aiohttp_cors
import pytest
from aiohttp import web

from smithersd.core.log import events as e
from smithersd.limits import BODY_BYTES_MAX
from smithersd.serve import create_serve_app
from smithersd.store import Store
from smithersd.store.requests import decision_of
from tests.serve.agreement import check_agreement
from tests.serve.conftest import Client, Demo, MakeApp
from tests.serve.paths import path_of
from tests.serve.story import Story, pending
from tests.serve.workflows import driven, release
from tests.support.streaming import read_messages
from tests.support.waiting import until_async


@web.middleware
async def nosy(request: web.Request, handler: Any) -> web.StreamResponse:
    """What the host application does to every request: it reads the body and adds a header."""
    if request.headers.get("X-Read-First"):
        await request.read()
    response: web.StreamResponse = await handler(request)
    if not response.prepared:
        response.headers["X-Host"] = "yes"
    return response


async def own(_: web.Request) -> web.Response:
    return web.Response(text="the host's own")


@pytest.fixture
async def host(make_app: MakeApp, store: Store, aiohttp_client: Any) -> Client:
    """An application that serves two runs beside its own page, and takes only small bodies itself."""
    app = web.Application(client_max_size=1_000, middlewares=[nosy])
    app.router.add_get("/", own)
    app.add_subapp("/runs/one", make_app(run_id="run-1"))
    other = create_serve_app(
        Demo(), store=store, run_id="run-2", abort=asyncio.Event(), auth_token="two", metrics=False
    )
    app.add_subapp("/runs/two", other)
    client: Client = await aiohttp_client(app)
    return client


async def code(client: Client, method: str, path: str, **more: Any) -> tuple[int, str]:
    response = await client.request(method, path, **more)
    assert response.headers["Cache-Control"] == "no-store"
    return response.status, (await response.json())["error"]["code"]


async def test_a_run_is_served_under_the_prefix_from_before_its_start_to_its_end(host: Client, store: Store) -> None:
    assert (await host.get("/runs/one/health")).status == 200
    assert await code(host, "GET", "/runs/one/") == (404, "RUN_NOT_FOUND")
    async with host.get("/runs/one/events") as stream, driven(release, store):

        async def is_asked() -> bool:
            response = await host.get("/runs/one/approvals")
            return response.status == 200 and len(await response.json()) == 1

        await until_async(is_asked)
        await check_agreement(host, store, prefix="/runs/one")
        assert (await host.post("/runs/one/approve/approval", json={"decidedBy": "alice"})).status == 200
        messages = await read_messages(stream)
    assert [message.data for message in messages] == [row.payload for row in await store.events("run-1", after_seq=-1)]
    await check_agreement(host, store, prefix="/runs/one")
    # Every run has its own app, token and metrics.
    assert await code(host, "GET", "/runs/two/") == (401, "UNAUTHORIZED")
    assert await code(host, "GET", "/runs/two/", headers={"x-smithers-key": "two"}) == (404, "RUN_NOT_FOUND")
    assert await code(host, "GET", "/runs/two/metrics", headers={"x-smithers-key": "two"}) == (404, "NOT_FOUND")
    text = await (await host.get("/runs/one/metrics")).text()
    assert 'route="/approve/{node_id}"' in text
    assert "/runs/" not in text


async def test_the_prefix_with_and_without_a_slash_is_the_status(host: Client, story: Story) -> None:
    await story.begin(pending("a"))
    one, other = [await (await host.get(path)).json() for path in ("/runs/one", "/runs/one/")]
    assert one == other
    assert one["runId"] == "run-1"
    assert await (await host.get("/")).text() == "the host's own"


async def test_its_limits_are_its_own(host: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()
    frame = len(b'{"note":""}')
    path = "/runs/one/approve/approval"
    large = io.BytesIO(b'{"note":"' + b"x" * BODY_BYTES_MAX + b'"}')
    assert await code(host, "POST", path, data=large) == (413, "PAYLOAD_TOO_LARGE")
    fitting = io.BytesIO(b'{"note":"' + b"x" * (BODY_BYTES_MAX - frame) + b'"}')
    assert (await host.post(path, data=fitting)).status == 200


async def test_a_body_that_the_host_has_read_before_is_taken_all_the_same(host: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()
    response = await host.post("/runs/one/approve/approval", json={"note": "x"}, headers={"X-Read-First": "1"})
    assert (response.status, response.headers["X-Host"]) == (200, "yes")
    assert [decision_of(row).note for row in await story.store.requests("run-1")] == ["x"]


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/runs/one/nope", 404, "NOT_FOUND"),
        ("POST", "/runs/one/", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/runs/one/cancel", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/runs/one/frames?limit=0", 400, "INVALID_REQUEST"),
        ("GET", "/runs/one/nodes/nope", 404, "NODE_NOT_FOUND"),
    ],
)
async def test_its_errors_are_its_own(
    host: Client, story: Story, method: str, path: str, status: int, expected: str
) -> None:
    await story.begin()
    assert await code(host, method, path) == (status, expected)


async def test_its_guard_is_its_own(host: Client, story: Story) -> None:
    await story.begin()
    foreign = {"Origin": "https://evil.example"}
    assert await code(host, "GET", "/runs/one/", headers=foreign) == (403, "FORBIDDEN")
    assert await code(host, "GET", "/runs/one/nope", headers=foreign) == (403, "FORBIDDEN")
    assert (await host.get("/", headers=foreign)).status == 200


async def test_an_app_can_be_mounted_twice_in_a_nest(make_app: MakeApp, story: Story, aiohttp_client: Any) -> None:
    await story.begin(pending("a/b"))
    middle, outer = web.Application(), web.Application()
    middle.add_subapp("/run", make_app())
    outer.add_subapp("/v1", middle)
    client = await aiohttp_client(outer)
    assert (await client.get("/v1/run/")).status == 200
    assert (await client.get(path_of("/v1/run/nodes", "a/b"))).status == 200


async def test_its_streams_end_with_the_host(host: Client, story: Story) -> None:
    await story.begin(pending("a"))
    async with host.get("/runs/one/events") as stream:
        reading = asyncio.create_task(read_messages(stream))
        await story.tell(pending("b"))
        await host.server.close()
        messages = await reading
    assert [message.seq for message in messages] == [0, 1, 2]


async def compress(_: web.Request, response: web.StreamResponse) -> None:
    response.enable_compression()


async def expect_a_text(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Hook"] = "was here"
    if request.path.endswith("/events"):
        raise AttributeError("a stream has no text")


@pytest.mark.parametrize("hook", [compress, expect_a_text])
async def test_a_hook_that_cannot_bear_streams_does_not_keep_events_back(
    make_app: MakeApp, story: Story, aiohttp_client: Any, hook: Any
) -> None:
    await story.begin(pending("a"))
    host = web.Application()
    host.on_response_prepare.append(hook)
    host.add_subapp("/run", make_app())
    client = await aiohttp_client(host)
    async with client.get("/run/events") as response:
        assert response.status == 200
        assert response.headers["Smithers-Run"] == "run-1"
        assert "Content-Encoding" not in response.headers
        assert ("X-Hook" in response.headers) == (hook is expect_a_text)
        assert len(await read_messages(response, count=2)) == 2
        await story.tell(pending("b"), e.RunFinished())
        assert len(await read_messages(response)) == 2
    assert (await client.get("/run/")).status == 200


async def test_a_page_of_another_origin_may_ask_where_the_application_allows_it(
    make_app: MakeApp, story: Story, aiohttp_client: Any
) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()
    app = make_app(auth_token="sk-1")
    allowed = aiohttp_cors.ResourceOptions(allow_headers="*", allow_methods="*", expose_headers="*")
    cors = aiohttp_cors.setup(app, defaults={"https://board.example": allowed})
    for route in list(app.router.routes()):
        cors.add(route)
    host = web.Application()
    host.add_subapp("/run", app)
    client = await aiohttp_client(host)
    board = {"Origin": "https://board.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in ("/run/approve/approval", "/run/events", "/run/"):
        method = {"Access-Control-Request-Method": "POST" if "approve" in path else "GET"}
        preflight = await client.options(path, headers=board | asking | method)
        assert (preflight.status, preflight.headers["Access-Control-Allow-Origin"]) == (200, board["Origin"])
    decided = await client.post("/run/approve/approval", headers=board | {"Authorization": "Bearer sk-1"})
    assert (decided.status, decided.headers["Access-Control-Allow-Origin"]) == (200, board["Origin"])
    refused = await client.post("/run/approve/approval", headers=board)
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, board["Origin"])

"""Requests of every kind to every route, whatever they do to the run: never a 5xx, always one of our answers."""

import asyncio
import json
import string
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from smithersd.serve import create_serve_app, serving
from smithersd.serve.errors import STATUS_BY_CODE
from smithersd.store import open_store
from tests.serve.conftest import Demo
from tests.serve.story import Story, pending

TOKEN = "sk-1"


@dataclass(frozen=True)
class Served:
    """A run with approvals that nobody drives: requests may decide and end it."""

    url: str
    routes: list[tuple[str, str]]
    http: aiohttp.ClientSession


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with open_store(tmp_path / "runs.db") as store:
        story = Story(store)
        await story.begin(pending("a"), story.frame({"kind": "task", "id": "a"}))
        await story.run_task("b/c", "ü")
        for approval in ("approval", "approvals/one", "approvals/two"):
            await story.ask(approval)
        await story.abandon()
        app = create_serve_app(Demo(), store=store, run_id="run-1", abort=asyncio.Event(), auth_token=TOKEN)
        routes = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
        async with serving(app, "127.0.0.1", 0) as server, aiohttp.ClientSession() as http:
            yield Served(server.url, routes, http)


wild = st.text(st.characters(codec="utf-8"), max_size=20) | st.text(string.printable, max_size=20)
node_ids = st.sampled_from(
    ["a", "b/c", "approval", "approvals/one", "approvals/two", "nope", "a//b", "%2F", ".."]
) | wild.filter(bool)
numbers = st.integers(-2, 2**64).map(str)
query = st.dictionaries(
    st.sampled_from(
        ["limit", "after", "afterSeq", "afterFrameNo", "iteration", "types", "node", "runId", "lastEventId"]
    ),
    numbers | wild | st.sampled_from(["run-1", "a::0", "NodeStarted", "RunStarted,Nope"]),
    max_size=3,
)
headers = st.dictionaries(
    st.sampled_from(["Last-Event-ID", "Smithers-Run", "Accept", "Content-Type", "Content-Encoding", "Origin", "Via"]),
    st.sampled_from(["run-1", "text/event-stream", "gzip", "identity", "1", "99", "https://a.example", ""]),
    max_size=3,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | wild | st.sampled_from(["run-1", "\0", "\ud800", 2**63]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(wild, inner, max_size=3),
    max_leaves=6,
)
bodies = (
    st.none()
    | st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["iteration", "note", "decidedBy", "decision", "runId"]) | wild, values, max_size=4
    ).map(lambda value: json.dumps(value).encode())
)


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_request_is_a_fault_of_the_server(served: Served, data: st.DataObject) -> None:
    method, path = data.draw(st.sampled_from(served.routes))
    path = path.replace("{node_id}", quote(data.draw(node_ids), safe=data.draw(st.sampled_from(["", "/"]))))
    url = URL(f"{served.url}{path}", encoded=True).update_query(data.draw(query))
    sent = data.draw(headers) | {"x-smithers-key": TOKEN}
    body = data.draw(bodies) if method == "POST" else None
    async with served.http.request(method, url, headers=sent, data=body, allow_redirects=False) as answer:
        assert answer.status in {200, 204, *(status.value for status in STATUS_BY_CODE.values() if status < 500)}
        if answer.content_type == "text/event-stream" or method == "HEAD":
            return
        text = await answer.text()
        if answer.status >= 400:
            error: dict[str, Any] = json.loads(text)["error"]
            assert STATUS_BY_CODE[error["code"]] == answer.status
        elif answer.content_type == "application/json":
            json.loads(text)

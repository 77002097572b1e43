"""Which run is meant: a request for another run decides nothing, and every answer names its run."""

from typing import Any

import pytest

from tests.serve.conftest import Client, Connect
from tests.serve.story import Story


@pytest.fixture(autouse=True)
async def _approval(story: Story) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()


DECIDING = ["/approve/approval", "/deny/approval", "/cancel"]
ANOTHERS: list[dict[str, Any]] = [
    {"headers": {"Smithers-Run": "run-0"}},
    {"headers": {"smithers-run": ""}},
    {"params": {"runId": "run-0"}},
    {"params": {"runId": ""}},
    {"json": {"runId": "run-0"}},
    {"json": {"runId": "run-1"}, "params": {"runId": "run-0"}},
    {"json": {"runId": "run-0"}, "headers": {"Smithers-Run": "run-1"}},
]


@pytest.mark.parametrize("more", ANOTHERS)
@pytest.mark.parametrize("path", DECIDING)
async def test_what_is_meant_for_another_run_decides_nothing_in_this_one(
    client: Client, story: Story, path: str, more: dict[str, Any]
) -> None:
    before = (await story.store.run("run-1")).last_seq
    answer = await client.post(path, **more)
    error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["details"]) == (409, "RUN_MISMATCH", {"runId": "run-1"})
    assert answer.headers["Smithers-Run"] == "run-1"
    assert await story.store.requests("run-1") == []
    assert (await story.store.run("run-1")).last_seq == before


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"Smithers-Run": "run-1"}},
        {"params": {"runId": "run-1"}},
        {"json": {"runId": "run-1"}},
        {"json": {"runId": None}},
        {"json": {"runId": "run-1"}, "params": {"runId": "run-1"}, "headers": {"Smithers-Run": "run-1"}},
    ],
)
@pytest.mark.parametrize("path", DECIDING)
async def test_what_is_meant_for_this_run_is_done(client: Client, path: str, more: dict[str, Any]) -> None:
    answer = await client.post(path, **more)
    assert (answer.status, answer.headers["Smithers-Run"]) == (200, "run-1")


@pytest.mark.parametrize("path", ["/", "/nodes", "/approvals", "/frames", "/events", "/metrics"])
async def test_every_route_can_be_asked_for_one_run_only(client: Client, path: str) -> None:
    assert (await client.get(path, params={"runId": "run-0"})).status == 409
    assert (await client.get(path, headers={"Smithers-Run": "run-0"})).status == 409
    async with client.get(path, params={"runId": "run-1"}) as answer:
        assert (answer.status, answer.headers["Smithers-Run"]) == (200, "run-1")


async def test_a_run_is_named_to_nobody_who_may_not_ask(connect: Connect) -> None:
    closed = await connect(auth_token="sk-1")
    for path in ("/", "/nope", "/health", "/ready"):
        assert "Smithers-Run" not in (await closed.get(path, headers={"Smithers-Run": "run-0"})).headers
    opened = await closed.get("/nope", headers={"x-smithers-key": "sk-1"})
    assert (opened.status, opened.headers["Smithers-Run"]) == (404, "run-1")


async def test_an_id_that_no_header_can_carry_is_percent_encoded(connect: Connect, story: Story) -> None:
    client = await connect(run_id="läuft/1")
    answer = await client.get("/", headers={"Smithers-Run": "l%C3%A4uft%2F1"})
    assert (answer.status, answer.headers["Smithers-Run"]) == (404, "l%C3%A4uft%2F1")

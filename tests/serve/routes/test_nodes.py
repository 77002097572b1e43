"""GET /nodes and GET /nodes/:nodeId: the units of state."""

from typing import Any

import pytest
from yarl import URL

from smithersd.core.log import events as e
from smithersd.core.log.states import Cancellation, Interruption
from smithersd.errors import ErrorInfo
from tests.serve.conftest import Client
from tests.serve.story import START_MS, Story, pending

FAULT = ErrorInfo("TASK_FAILED", "ValueError", "no such patch")


async def listed(client: Client, query: str = "") -> list[str]:
    response = await client.get(f"/nodes{query}")
    assert response.status == 200
    return [f"{node['nodeId']}::{node['iteration']}" for node in await response.json()]


def task(node_id: str) -> dict[str, Any]:
    return {"kind": "task", "id": node_id}


def sequence(*children: dict[str, Any], id: str = "@0") -> dict[str, Any]:
    return {"kind": "sequence", "id": id, "children": list(children)}


async def test_before_the_run_exists_there_is_no_run(client: Client) -> None:
    for path in ("/nodes", "/nodes/a"):
        response = await client.get(path)
        assert (response.status, (await response.json())["error"]["code"]) == (404, "RUN_NOT_FOUND")


async def test_tells_nine_things_of_each(client: Client, story: Story) -> None:
    await story.begin(pending("a", label="Analyze"), pending("approval", "approval"))
    await story.tell(e.NodeStarted("a", 0, 1))
    await story.tell(e.NodeFailed("a", 0, FAULT, is_final=True, attempt=1))
    assert await (await client.get("/nodes")).json() == [
        {
            "nodeId": "a",
            "iteration": 0,
            "kind": "task",
            "label": "Analyze",
            "state": "failed",
            "attempt": 1,
            "startedAtMs": START_MS + 11,
            "finishedAtMs": START_MS + 21,
            "error": {"code": "TASK_FAILED", "name": "ValueError", "message": "no such patch"},
        },
        {
            "nodeId": "approval",
            "iteration": 0,
            "kind": "approval",
            "label": None,
            "state": "pending",
            "attempt": None,
            "startedAtMs": None,
            "finishedAtMs": None,
            "error": None,
        },
    ]


async def test_stands_in_tree_order_whatever_the_order_of_events(client: Client, story: Story) -> None:
    await story.begin()
    tree = sequence(task("z"), sequence(task("b"), {"kind": "lazy", "id": "@0.1.1", "children": []}), task("a"))
    frame = story.frame(tree)
    await story.tell(frame, pending("a"), pending("b"), pending("z"))
    assert await listed(client) == ["z::0", "b::0", "a::0"]
    frame = story.frame(tree, **{"@0.1.1": task("lazy")})
    await story.tell(frame, pending("lazy"), pending("b", iteration=1))
    assert await listed(client) == ["z::0", "b::0", "b::1", "lazy::0", "a::0"]
    frame = story.frame(sequence(task("a"), task("z")), **{"@0.1.1": None})
    await story.tell(frame, e.NodeCancelled("b", 0, Cancellation.UNMOUNTED))
    assert (await listed(client))[:2] == ["a::0", "z::0"]
    assert sorted((await listed(client))[2:]) == ["b::0", "b::1", "lazy::0"]


@pytest.mark.parametrize("limit", [1, 2, 7, 1_000])
async def test_pages_join_to_the_whole(client: Client, story: Story, limit: int) -> None:
    names = ["x::1", "a b", "ü", "100%", "a/b", *(f"task-{number}" for number in range(15))]
    await story.begin(*(pending(name) for name in reversed(names)), pending("x::1", iteration=1))
    await story.tell(story.frame(sequence(*map(task, names))))
    whole = await listed(client)
    assert whole == ["x::1::0", "x::1::1", *(f"{name}::0" for name in names[1:])]
    joined: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while page := await listed(client, str(URL.build(query=query))):
        assert len(page) <= limit
        joined += page
        query["after"] = page[-1]
    assert joined == whole


async def test_a_page_has_at_most_a_thousand(client: Client, story: Story) -> None:
    await story.begin(*(pending(f"task-{number}") for number in range(1_001)))
    assert len(await listed(client)) == 1_000


@pytest.mark.parametrize("after", ["a", "a::", "a::x", "a::1", "b::0", "::0", "", "a::00000000000000000000"])
async def test_a_place_that_no_node_has_is_refused(client: Client, story: Story, after: str) -> None:
    await story.begin(pending("a"))
    response = await client.get("/nodes", params={"after": after})
    assert (response.status, (await response.json())["error"]["code"]) == (400, "INVALID_REQUEST")


async def test_one_node_tells_its_iterations_attempts_and_outputs(client: Client, story: Story) -> None:
    await story.begin(pending("a", label="Analyze"))
    await story.tell(e.NodeStarted("a", 0, 1))
    await story.tell(
        e.NodeFailed("a", 0, FAULT, is_final=False, attempt=1), e.NodeRetrying("a", 0, 2, START_MS + 1_000)
    )
    await story.tell(e.NodeStarted("a", 0, 2))
    await story.tell(e.NodeInterrupted("a", 0, 2, Interruption.CRASH))
    await story.tell(e.NodeStarted("a", 0, 3))
    await story.tell(story.output("a", {"summary": "ü", "lines": [1, 2]}), pending("a", iteration=1))
    told = await (await client.get("/nodes/a")).json()
    assert {name: told[name] for name in told if name != "iterations"} == {
        "nodeId": "a",
        "kind": "task",
        "label": None,
    }
    first, second = told["iterations"]
    assert first["output"] == {"summary": "ü", "lines": [1, 2]}
    assert (first["iteration"], first["state"], first["error"]) == (0, "finished", None)
    assert [one["state"] for one in first["attempts"]][:2] == ["failed", "interrupted"]
    assert [one["attempt"] for one in first["attempts"]] == [1, 2, 3]
    assert first["attempts"][0] == {
        "attempt": 1,
        "state": "failed",
        "startedAtMs": START_MS + 11,
        "finishedAtMs": START_MS + 21,
        "error": {"code": "TASK_FAILED", "name": "ValueError", "message": "no such patch"},
    }
    assert second == {"iteration": 1, "state": "pending", "attempts": [], "error": None, "output": None}
    (only,) = (await (await client.get("/nodes/a?iteration=1")).json())["iterations"]
    assert only == second


async def test_a_node_that_appears_again_is_listed_once(client: Client, story: Story) -> None:
    await story.begin(pending("a"), pending("a", iteration=2), pending("a", iteration=1))
    await story.tell(pending("a"), pending("a", iteration=2))
    told = (await (await client.get("/nodes/a")).json())["iterations"]
    assert [one["iteration"] for one in told] == [0, 1, 2]


@pytest.mark.parametrize("path", ["/nodes/nope", "/nodes/a?iteration=1", "/nodes/A"])
async def test_what_is_not_there_is_not_found(client: Client, story: Story, path: str) -> None:
    await story.begin(pending("a"))
    response = await client.get(path)
    assert (response.status, (await response.json())["error"]["code"]) == (404, "NODE_NOT_FOUND")


async def test_a_slash_in_an_id_need_not_be_encoded(client: Client, story: Story) -> None:
    await story.begin(pending("a/b/c"))
    await story.ask("approvals/one")
    await story.abandon()
    assert (await (await client.get("/nodes/a/b/c")).json())["nodeId"] == "a/b/c"
    assert (await client.post("/approve/approvals/one")).status == 200
    assert (await client.get("/nodes/a/b")).status == 404

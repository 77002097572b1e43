"""POST /approve and /deny: every answer, in the order in which the faults are looked for."""

import asyncio
import io
from typing import Any

import pytest
from yarl import URL

from smithersd.core.log import events as e
from smithersd.limits import BODY_BYTES_MAX
from smithersd.store.records import RequestKind
from smithersd.store.requests import decision_of
from tests.serve.conftest import Client
from tests.serve.paths import path_of
from tests.serve.story import Story, pending
from tests.support.waiting import DEADLINE_S

VERBS = pytest.mark.parametrize("verb", ["approve", "deny"])


async def answer(client: Client, path: str, body: Any = None) -> tuple[int, str | None, Any]:
    """Post, and return status, error code and details."""
    response = await client.post(path, json={} if body is None else body)
    told = await response.json()
    error = told.get("error", {})
    return response.status, error.get("code"), error.get("details")


async def decide(client: Client, story: Story, path: str, body: Any, *, is_applied: bool) -> int:
    """Decide, by a driver that applies it or where there is none; return when the decision was taken."""
    if not is_applied:
        await story.abandon()
    deciding = asyncio.create_task(answer(client, path, body))
    rows = await story.left()
    if is_applied:
        await story.apply_inbox()
    assert await deciding == (200, None, None)
    return rows[0].created_at_ms


@VERBS
async def test_a_decision_is_left_for_the_run(client: Client, story: Story, verb: str) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()
    body = {"iteration": 0, "note": "Looks good", "decidedBy": "alice", "decision": {"risk": [1, None, "ü"]}}
    response = await client.post(f"/{verb}/approval", json=body)
    assert response.status == 200
    assert await response.json() == {"runId": "run-1"}
    (row,) = await story.store.requests("run-1")
    assert (row.kind, row.node_id, row.iteration, row.sender) == (RequestKind.DECIDE, "approval", 0, "alice")
    decision = decision_of(row)
    assert (decision.approved, decision.note) == (verb == "approve", "Looks good")
    assert decision.decision == {"risk": [1, None, "ü"]}


async def test_the_answer_waits_until_the_driver_has_applied_it(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    deciding = asyncio.create_task(client.post("/approve/approval"))
    await story.left()
    assert not deciding.done()
    await story.apply_inbox()
    assert (await deciding).status == 200
    assert (await (await client.get("/")).json())["summary"] == {"finished": 1}


async def test_a_driver_that_is_busy_is_not_waited_for_without_end(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    async with asyncio.timeout(DEADLINE_S):
        assert await answer(client, "/approve/approval") == (200, None, None)
    assert len(await story.store.requests("run-1")) == 1


@VERBS
async def test_before_the_run_exists_there_is_no_run(client: Client, verb: str) -> None:
    assert await answer(client, f"/{verb}/approval") == (404, "RUN_NOT_FOUND", None)


@VERBS
async def test_the_body_is_looked_at_before_the_node(client: Client, story: Story, verb: str) -> None:
    await story.begin()
    assert await answer(client, f"/{verb}/nope", {"x": 1}) == (
        400,
        "INVALID_REQUEST",
        {"problems": [{"field": "x", "problem": "Extra inputs are not permitted"}]},
    )
    large = io.BytesIO(b'{"note":"' + b"x" * BODY_BYTES_MAX + b'"}')
    assert (await client.post(f"/{verb}/nope", data=large)).status == 413
    assert await answer(client, f"/{verb}/nope") == (404, "NODE_NOT_FOUND", None)


@VERBS
async def test_an_unknown_node_is_not_found_even_when_the_run_is_over(client: Client, story: Story, verb: str) -> None:
    await story.begin(pending("a"), e.RunFinished())
    assert await answer(client, f"/{verb}/nope") == (404, "NODE_NOT_FOUND", None)
    assert await answer(client, f"/{verb}/a") == (409, "RUN_NOT_ACTIVE", None)


@VERBS
async def test_a_node_that_asks_nothing_is_not_pending(client: Client, story: Story, verb: str) -> None:
    await story.begin(pending("a"))
    assert await answer(client, f"/{verb}/a") == (409, "APPROVAL_NOT_PENDING", None)


async def test_an_iteration_that_does_not_ask_is_not_pending(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    assert await answer(client, "/approve/approval", {"iteration": 1}) == (409, "APPROVAL_NOT_PENDING", None)
    assert await story.store.requests("run-1") == []


async def test_several_pending_iterations_must_be_named(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask(iteration=0)
    await story.ask(iteration=1)
    await story.abandon()
    pending_approvals = [{"nodeId": "approval", "iteration": 0}, {"nodeId": "approval", "iteration": 1}]
    assert await answer(client, "/approve/approval") == (409, "APPROVAL_AMBIGUOUS", {"pending": pending_approvals})
    assert await answer(client, "/approve/approval", {"iteration": 1}) == (200, None, None)
    # With one of them decided, the other one is meant.
    assert await answer(client, "/deny/approval") == (200, None, None)
    left = {row.iteration: decision_of(row).approved for row in await story.store.requests("run-1")}
    assert left == {1: True, 0: False}


@pytest.mark.parametrize("is_applied", [False, True])
async def test_another_decision_is_told_what_stands(client: Client, story: Story, *, is_applied: bool) -> None:
    await story.begin()
    await story.ask()
    first = {"note": "ok", "decidedBy": "alice", "decision": {"a": 1, "b": 2}}
    decided_at_ms = await decide(client, story, "/approve/approval", first, is_applied=is_applied)
    stands = {"nodeId": "approval", "iteration": 0, "approved": True, "decidedAtMs": decided_at_ms, **first}
    for path, body in (
        ("/deny/approval", first),
        ("/approve/approval", {**first, "decidedBy": "bob"}),
        ("/approve/approval", {"decision": first["decision"]}),
        ("/approve/approval", {"decidedBy": "alice"}),
        ("/approve/approval", {**first, "decision": {"a": 1, "b": 2.5}}),
        ("/approve/approval", {**first, "decision": {"a": True, "b": 2}}),
        ("/deny/approval", {"iteration": 0}),
    ):
        assert await answer(client, path, body) == (409, "APPROVAL_ALREADY_DECIDED", stands)
    assert len(await story.store.requests("run-1")) == (0 if is_applied else 1)


@pytest.mark.parametrize("is_applied", [False, True])
async def test_the_same_decision_again_changes_nothing(client: Client, story: Story, *, is_applied: bool) -> None:
    await story.begin()
    await story.ask()
    body = {"note": "first", "decidedBy": "alice", "decision": {"a": 1, "b": 2}}
    await decide(client, story, "/deny/approval", body, is_applied=is_applied)
    again = {"note": "second", "decidedBy": "alice", "decision": {"b": 2, "a": 1}}
    for repeated in (body, again, {**again, "iteration": 0}):
        assert await answer(client, "/deny/approval", repeated) == (200, None, None)
    assert len(await story.store.requests("run-1")) == (0 if is_applied else 1)


async def test_the_same_decision_again_is_accepted_even_when_the_run_is_over(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    await decide(client, story, "/approve/approval", {}, is_applied=True)
    await story.tell(e.RunFinished())
    assert await answer(client, "/approve/approval") == (200, None, None)
    status, code, _ = await answer(client, "/deny/approval")
    assert (status, code) == (409, "APPROVAL_ALREADY_DECIDED")


async def test_after_a_cancel_nothing_more_is_decided(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    await story.store.submit_cancel("run-1", created_at_ms=0)
    assert await answer(client, "/approve/approval") == (409, "RUN_NOT_ACTIVE", None)


async def test_of_many_at_once_one_is_applied_and_the_others_hear_who_won(client: Client, story: Story) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()
    people = [f"person-{number}" for number in range(30)]
    answers = await asyncio.gather(*(answer(client, "/approve/approval", {"decidedBy": person}) for person in people))
    (row,) = await story.store.requests("run-1")
    winners = [person for person, (status, _, _) in zip(people, answers, strict=True) if status == 200]
    assert winners == [row.sender]
    assert {details["decidedBy"] for status, _, details in answers if status == 409} == {row.sender}


ODD_IDS = [
    "a b", "a%b", "100%", "%2F", "%25", "a/b", "/a/", "a//b", "..a", "a/../b", "a?b=c", "a#b", "a;b", "a+b", "a&b=c",
    "{x}", "{node_id}", "ü", "日本語", "🚀", "a::1", "a:b@c", '"quoted"', "it's", "<b>", "a\\b", "*", "[0]", "a|b^c`d~",
    "x" * 200, "é" * 200,
]  # fmt: skip


@pytest.mark.parametrize("node_id", ODD_IDS)
async def test_a_node_id_of_any_characters_is_reached_when_it_is_encoded(
    client: Client, story: Story, node_id: str
) -> None:
    await story.begin()
    await story.ask(node_id)
    await story.abandon()
    told = await client.get(path_of("/nodes", node_id))
    assert (told.status, (await told.json())["nodeId"]) == (200, node_id)
    assert (await client.post(path_of("/approve", node_id))).status == 200
    assert [row.node_id for row in await story.store.requests("run-1")] == [node_id]


@pytest.mark.parametrize("path", ["%FF", "%00", "%", "%zz", "%ED%A0%80", "a%2", "." * 3, "x" * 4_000])
async def test_an_id_that_no_node_can_have_is_not_found(client: Client, story: Story, path: str) -> None:
    await story.begin(pending("a"))
    for method, route in (("GET", "nodes"), ("POST", "approve"), ("POST", "deny")):
        response = await client.request(method, URL(f"/{route}/{path}", encoded=True))
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "NODE_NOT_FOUND"

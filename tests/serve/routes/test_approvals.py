"""GET /approvals: what waits for a person, with all that is needed to decide."""

import json
from typing import Any

import pytest

from smithersd.core.log import events as e
from smithersd.core.log.states import Cancellation
from smithersd.elements.kinds import OnDeny
from smithersd.limits import SHOWN_BYTES_MAX
from tests.serve.conftest import Client
from tests.serve.story import Story, pending


async def approvals(client: Client) -> list[dict[str, Any]]:
    response = await client.get("/approvals")
    assert response.status == 200
    waiting: list[dict[str, Any]] = await response.json()
    return waiting


async def test_before_the_run_exists_there_is_no_run(client: Client) -> None:
    response = await client.get("/approvals")
    assert (response.status, (await response.json())["error"]["code"]) == (404, "RUN_NOT_FOUND")


async def test_tells_all_that_is_needed_to_decide(client: Client, story: Story) -> None:
    await story.begin()
    assert await approvals(client) == []
    await story.run_task("patch", {"lines": ["+1", "-2"], "risk": None})
    await story.ask(title="Ship?", summary="Fixes 3", metadata={"risk": "low"}, show="patch", on_deny=OnDeny.CONTINUE)
    assert await approvals(client) == [
        {
            "nodeId": "approval",
            "iteration": 0,
            "title": "Ship?",
            "summary": "Fixes 3",
            "shown": {"lines": ["+1", "-2"], "risk": None},
            "shownTruncated": False,
            "metadata": {"risk": "low"},
            "onDeny": "continue",
            "requestedAtMs": story.journal.now_ms,
        }
    ]


async def test_the_one_that_has_waited_longest_comes_first_and_decided_ones_are_gone(
    client: Client, story: Story
) -> None:
    await story.begin()
    for name in ("z", "a", "m"):
        await story.ask(name)
    await story.ask("z", iteration=1)
    await story.tell(e.ApprovalGranted("a", 0, None, None, None, 0), e.NodeFinished("a", 0))
    await story.tell(e.NodeCancelled("m", 0, Cancellation.UNMOUNTED))
    assert [(one["nodeId"], one["iteration"]) for one in await approvals(client)] == [("z", 0), ("z", 1)]


async def test_what_is_shown_but_has_no_output_is_null(client: Client, story: Story) -> None:
    await story.begin(pending("patch"))
    await story.ask(show="patch")
    await story.ask("other", show="nowhere")
    assert [(one["shown"], one["shownTruncated"]) for one in await approvals(client)] == [(None, False)] * 2


async def test_shows_the_output_of_the_same_iteration_else_the_latest(client: Client, story: Story) -> None:
    await story.begin()
    for iteration in range(3):
        await story.run_task("patch", f"output {iteration}", iteration=iteration)
    await story.ask(show="patch", iteration=1)
    await story.ask("late", show="patch", iteration=7)
    assert [one["shown"] for one in await approvals(client)] == ["output 1", "output 2"]


@pytest.mark.parametrize("character", ["x", "ü", "🚀"])
async def test_what_is_shown_is_cut_at_64_kib_and_that_is_said(client: Client, story: Story, character: str) -> None:
    await story.begin()
    fitting = character * ((SHOWN_BYTES_MAX - 2) // len(character.encode()))
    for name, text in (("fitting", fitting), ("large", fitting + "x" * 4)):
        await story.run_task(name, text)
        await story.ask(f"approval-{name}", show=name)
    whole, cut = await approvals(client)
    assert (whole["shown"], whole["shownTruncated"]) == (fitting, False)
    assert cut["shownTruncated"] is True
    assert json.dumps(fitting + "x" * 4, ensure_ascii=False).startswith(cut["shown"])
    assert SHOWN_BYTES_MAX - 4 < len(cut["shown"].encode()) <= SHOWN_BYTES_MAX

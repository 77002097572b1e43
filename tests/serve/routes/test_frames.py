"""GET /frames: whole trees, paged both ways, within bytes."""

from typing import Any

import pytest

from smithersd.core.tree.frames import FrameTree, node_ids
from smithersd.limits import FRAMES_PAGE_BYTES_MAX
from tests.serve.conftest import Client
from tests.serve.story import Story


async def frames(client: Client, query: str = "") -> list[dict[str, Any]]:
    response = await client.get(f"/frames{query}")
    assert response.status == 200
    page: list[dict[str, Any]] = await response.json()
    return page


def tree(*names: str, padding: int = 0) -> dict[str, Any]:
    tasks = [{"kind": "task", "id": name, "label": "x" * padding} for name in names]
    return {"kind": "sequence", "id": "@0", "children": [*tasks, {"kind": "lazy", "id": "@0.9", "children": []}]}


async def tell_frames(story: Story, count: int, *, padding: int = 0) -> list[dict[str, Any]]:
    """Commit frames that change one scope or the other, and return them whole."""
    whole: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        if number % 3:
            event = story.frame(tree("a", f"b-{number}", padding=padding))
        else:
            event = story.frame(tree("a"), **{"@0.9": {"kind": "task", "id": f"lazy-{number}"}})
        await story.tell(event)
        now = story.tree.tree()
        whole.append(
            {
                "runId": "run-1",
                "frameNo": number,
                "createdAtMs": story.journal.now_ms - 10,
                "hash": story.tree.hash,
                "tree": now,
                "nodeIds": node_ids(now),
            }
        )
    return whole


async def test_before_the_run_exists_there_is_no_run(client: Client) -> None:
    response = await client.get("/frames")
    assert (response.status, (await response.json())["error"]["code"]) == (404, "RUN_NOT_FOUND")


async def test_a_run_without_frames_has_none(client: Client, story: Story) -> None:
    await story.begin()
    assert await frames(client) == []
    assert await frames(client, "?afterFrameNo=0") == []


async def test_shows_whole_trees_newest_first(client: Client, story: Story) -> None:
    await story.begin()
    whole = await tell_frames(story, 60)
    assert await frames(client) == whole[:9:-1]
    assert await frames(client, "?limit=3") == whole[:-4:-1]
    assert await frames(client, "?limit=1000") == whole[::-1]


@pytest.mark.parametrize("limit", [1, 7, 50, 1_000])
async def test_a_backlog_is_paged_oldest_first(client: Client, story: Story, limit: int) -> None:
    await story.begin()
    whole = await tell_frames(story, 120)
    paged: list[dict[str, Any]] = []
    while page := await frames(client, f"?limit={limit}&afterFrameNo={len(paged)}"):
        assert len(page) <= limit
        paged += page
    assert paged == whole


async def test_pages_in_any_order_show_the_same(client: Client, story: Story) -> None:
    await story.begin()
    whole = await tell_frames(story, 40)
    for after in (30, 5, 39, 0, 12, 38, 1, 20, 11):
        assert await frames(client, f"?limit=4&afterFrameNo={after}") == whole[after : after + 4]


@pytest.mark.parametrize("after", [3, 4, 1_000, 2**63 - 1])
async def test_after_the_last_frame_there_is_none(client: Client, story: Story, after: int) -> None:
    await story.begin()
    await tell_frames(story, 3)
    assert await frames(client, f"?afterFrameNo={after}") == []
    # And what was asked for too early is there once it comes.
    assert [frame["frameNo"] for frame in await frames(client, "?afterFrameNo=2")] == [3]


async def test_a_page_ends_after_four_mebibytes(client: Client, story: Story) -> None:
    await story.begin()
    await tell_frames(story, 20, padding=400_000)
    for query, numbers in (("?limit=1000", range(20, 0, -1)), ("?limit=1000&afterFrameNo=0", range(1, 21))):
        response = await client.get(f"/frames{query}")
        assert len(await response.read()) <= FRAMES_PAGE_BYTES_MAX + 100
        page = [frame["frameNo"] for frame in await response.json()]
        assert 1 < len(page) < 20
        assert page == list(numbers)[: len(page)]


async def test_a_page_has_one_frame_at_least(client: Client, story: Story) -> None:
    await story.begin()
    await story.tell(story.frame(tree("small")))
    await story.tell(story.frame(tree("a", padding=5_000_000)))
    await story.tell(story.frame(tree("b", padding=5_000_001)))
    assert [frame["frameNo"] for frame in await frames(client)] == [3]
    assert [frame["frameNo"] for frame in await frames(client, "?afterFrameNo=1")] == [2]
    assert [frame["frameNo"] for frame in await frames(client, "?afterFrameNo=0")] == [1]


async def test_the_hash_is_that_of_the_tree(client: Client, story: Story) -> None:
    await story.begin()
    await story.tell(story.frame(tree("a")))
    (frame,) = await frames(client)
    again = FrameTree()
    again.changed({"": tree("a")})
    assert frame["hash"] == again.hash

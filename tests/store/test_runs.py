"""Runs: made once, found by id, by prefix and by age."""

from typing import Any

import pytest

from smithersd.core.log.states import RunStatus
from smithersd.errors import RunExists, RunNotFound
from smithersd.store import Store
from smithersd.store.records import Commit
from tests.store.rows import NOW_MS, OWNER, begin, end, event, step

ODD_IDS = ["a", "ß", "日本", "a'b\"c", "100%", "a_b", "💥", "x" * 200, "..", "$1 ?1 {runs}", "a/b c"]


async def test_a_run_is_what_was_written(store: Store) -> None:
    new: dict[str, Any] = {
        "workflow_path": "/w.py",
        "workflow_hash": "ab",
        "from_run_id": "run-0",
        "input": '{"a": [1, null]}',
    }
    await store.commit(begin(**new))
    row = await store.run("run-1")
    assert (row.workflow_name, row.workflow_path, row.workflow_hash) == ("demo", "/w.py", "ab")
    assert (row.input, row.from_run_id, row.created_at_ms) == ('{"a": [1, null]}', "run-0", NOW_MS)
    assert (row.status, row.last_seq, row.fence, row.owner) == (RunStatus.RUNNING, 0, 1, OWNER)
    assert (row.finished_at_ms, row.error) == (None, None)


async def test_an_id_that_is_taken_is_refused_and_nothing_is_written(store: Store) -> None:
    await store.commit(begin(input="1"))
    with pytest.raises(RunExists, match="'run-1' exists"):
        await store.commit(begin("run-1", event(1), input="2"))
    assert (await store.run("run-1")).input == "1"
    assert [row.seq for row in await store.events("run-1", after_seq=-1)] == [0]


async def test_a_run_that_is_not_there_is_none_or_an_error(store: Store) -> None:
    assert await store.find_run("nope") is None
    with pytest.raises(RunNotFound, match="'nope'"):
        await store.run("nope")
    for run_id in ("a\0b", "", "x" * 10_000):
        assert await store.find_run(run_id) is None


@pytest.mark.parametrize("run_id", ODD_IDS)
async def test_an_id_may_hold_any_character(store: Store, run_id: str) -> None:
    await store.commit(begin(run_id))
    await store.commit(step(run_id, event(1, node_id=run_id, payload=f'"{run_id}"')))
    assert (await store.run(run_id)).run_id == run_id
    assert (await store.events(run_id, after_seq=0))[0].node_id == run_id
    assert [row.run_id for row in await store.runs_with_prefix(run_id[:1], limit=9)] == [run_id]


async def test_a_prefix_is_taken_literally_and_the_newest_come_first(store: Store) -> None:
    for at_ms, run_id in enumerate(["a_1", "ab1", "a%1", "A_1", "a_2", "a_"]):
        await store.commit(begin(run_id, created_at_ms=at_ms))
    assert [row.run_id for row in await store.runs_with_prefix("a_", limit=9)] == ["a_", "a_2", "a_1"]
    assert [row.run_id for row in await store.runs_with_prefix("a_", limit=2)] == ["a_", "a_2"]
    assert [row.run_id for row in await store.runs_with_prefix("a%", limit=9)] == ["a%1"]
    assert await store.runs_with_prefix("a\0", limit=9) == []
    assert len(await store.runs_with_prefix("", limit=9)) == 6


async def test_runs_are_listed_newest_first_by_whether_they_live(store: Store) -> None:
    for at_ms, run_id in enumerate(["a", "c", "b"]):
        await store.commit(begin(run_id, created_at_ms=at_ms // 2))
    await store.commit(Commit("c", 1, end(1)))
    await store.commit(step("a", event(1, "RunSuspended"), status=RunStatus.SUSPENDED))

    async def ids(**query: bool) -> list[str]:
        return [row.run_id for row in await store.runs(limit=9, **query)]

    assert await ids() == ["b", "c", "a"]
    assert await ids(is_live=True) == ["b", "a"]
    assert await ids(is_live=False) == ["c"]
    assert len(await store.runs(limit=2)) == 2

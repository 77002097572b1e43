"""Pruning: what ended long ago goes, row by row, and nothing else does."""

from dataclasses import replace

import pytest

from smithersd.core.log.states import RunStatus
from smithersd.errors import RunExists, RunNotFound
from smithersd.limits import PRUNE_ROWS_MAX
from smithersd.store import Store
from smithersd.store.prune import delete_rows, hide_run
from smithersd.store.records import EndedRun, FrameRow
from tests.store.rows import NOW_MS, begin, decided, end, event, output, pending, step
from tests.support.backends import Backend

TABLES = ("runs", "inputs", "events", "outputs", "frames", "waits", "requests")
LATER_MS = NOW_MS + 1_000_000


async def ended(store: Store, run_id: str, *, finished_at_ms: int = NOW_MS, from_run_id: str | None = None) -> None:
    await store.commit(begin(run_id, pending(1, "approval"), waits=(decided(),), from_run_id=from_run_id))
    frame = FrameRow(1, NOW_MS, "hash", "{}")
    last = replace(end(3), finished_at_ms=finished_at_ms)
    first = step(run_id, event(2), outputs=(output("a"),), frames=(frame,))
    await store.commit(replace(first, closing=last, is_release=True))


async def rows_of(backend: Backend, run_id: str) -> dict[str, int]:
    counts = {}
    for table in TABLES:
        rows = await backend.execute(f"SELECT COUNT(*) FROM {{{table}}} WHERE run_id = '{run_id}'")
        counts[table] = rows[0][0]
    return {table: count for table, count in counts.items() if count}


async def test_a_pruned_run_leaves_no_row_and_another_one_stays_whole(backend: Backend, store: Store) -> None:
    await ended(store, "old")
    await ended(store, "other")
    before = await rows_of(backend, "other")
    assert await store.prune_run("old", finished_before_ms=LATER_MS)
    assert await rows_of(backend, "old") == {}
    assert await rows_of(backend, "other") == before
    with pytest.raises(RunNotFound):
        await store.run("old")
    assert not await store.prune_run("old", finished_before_ms=LATER_MS), "it is gone"
    await ended(store, "old")  # the id is free again


@pytest.mark.parametrize("status", [one for one in RunStatus if not one.is_final])
async def test_a_run_that_has_not_ended_is_never_pruned(store: Store, status: RunStatus) -> None:
    await store.commit(begin("live"))
    await store.commit(step("live", event(1), status=status))
    assert await store.ended_runs(finished_before_ms=LATER_MS, after=None, limit=9) == []
    assert not await store.prune_run("live", finished_before_ms=LATER_MS)
    assert (await store.run("live")).last_seq == 1


async def test_runs_are_listed_by_the_time_of_their_end_a_page_at_a_time(store: Store) -> None:
    for run_id, at_ms in (("young", LATER_MS), ("third", NOW_MS + 2), ("second", NOW_MS + 1), ("first", NOW_MS + 1)):
        await ended(store, run_id, finished_at_ms=at_ms)
    listed: list[EndedRun] = []
    while page := await store.ended_runs(finished_before_ms=LATER_MS, after=listed[-1] if listed else None, limit=2):
        assert len(page) <= 2
        listed += page
    assert [run.run_id for run in listed] == ["first", "second", "third"]
    assert not await store.prune_run("young", finished_before_ms=LATER_MS)


async def test_a_run_from_which_a_live_one_takes_over_is_kept_until_that_one_has_ended(store: Store) -> None:
    await ended(store, "failed")
    await store.commit(begin("next", from_run_id="failed"))
    assert [run.is_needed for run in await store.ended_runs(finished_before_ms=LATER_MS, after=None, limit=9)] == [True]
    assert not await store.prune_run("failed", finished_before_ms=LATER_MS)
    await store.commit(replace(step("next", event(1)), closing=end(2)))
    assert await store.prune_run("failed", finished_before_ms=LATER_MS)


async def test_a_long_log_goes_in_many_transactions_from_its_end_and_nobody_finds_the_rest(
    backend: Backend, store: Store
) -> None:
    length = 2 * PRUNE_ROWS_MAX + 10
    await store.commit(begin("long", *(event(seq) for seq in range(1, length))))
    await store.commit(replace(step("long"), closing=end(length), is_release=True))
    write = store.database.write
    assert await write(hide_run("long", LATER_MS))
    assert await write(delete_rows("long"))
    left = [row.seq for row in await store.events("long", after_seq=-1)]
    assert left == list(range(length + 1 - PRUNE_ROWS_MAX)), "what is left has a gap, or too much went at once"
    assert await store.find_run("long") is None
    assert await store.runs(limit=9) == []
    with pytest.raises(RunExists):
        await store.commit(begin("long"))
    assert [run.run_id for run in await store.ended_runs(finished_before_ms=LATER_MS, after=None, limit=9)] == ["long"]
    assert await store.prune_run("long", finished_before_ms=LATER_MS), "it goes on where it was cut short"
    assert await rows_of(backend, "long") == {}


async def test_the_room_of_pruned_runs_is_used_again(backend: Backend, store: Store) -> None:
    if backend.name != "sqlite":
        pytest.skip("the database's own vacuum does it")

    async def pages() -> int:
        return int((await backend.execute("PRAGMA page_count"))[0][0])

    async def long_run(run_id: str) -> None:
        await store.commit(begin(run_id, *(event(seq, payload='"' + 1000 * "x" + '"') for seq in range(1, 500))))
        await store.commit(replace(step(run_id), closing=end(500), is_release=True))

    await long_run("first")
    once = await pages()
    for number in range(5):
        await store.prune_run("first" if number == 0 else f"run-{number - 1}", finished_before_ms=LATER_MS)
        await long_run(f"run-{number}")
    assert await pages() < 1.2 * once

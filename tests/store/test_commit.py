"""The driver's commit: all of it or nothing, only under its fence, and an end only when nobody has asked for more."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from smithersd.core.log.states import RunStatus, WaitKind, WaitStatus
from smithersd.errors import LeaseLost
from smithersd.store import Store
from smithersd.store.records import Batch, Commit, FrameRow, RequestKind
from smithersd.store.requests import decision_of
from tests.store.rows import NOW_MS, OTHER, approval, begin, decided, decision, end, event, output, pending, step

ASKING = begin("run-1", pending(1, "approval"), waits=(approval(),))
FRAME = FrameRow(1, NOW_MS, "hash", "{}")


async def seqs(store: Store, run_id: str = "run-1") -> list[int]:
    return [row.seq for row in await store.events(run_id, after_seq=-1)]


async def test_a_step_is_written_whole(store: Store) -> None:
    await store.commit(begin())
    rows: dict[str, Any] = {"outputs": (output("a"),), "frames": (FRAME,), "waits": (approval(),)}
    committed = await store.commit(step("run-1", event(1), event(2), status=RunStatus.WAITING_APPROVAL, **rows))
    assert (committed.is_closed, committed.requests) == (False, ())
    row = await store.run("run-1")
    assert (row.status, row.last_seq) == (RunStatus.WAITING_APPROVAL, 2)
    assert (await seqs(store), await store.frames("run-1")) == ([0, 1, 2], [FRAME])
    assert (await store.outputs("run-1"), await store.waits("run-1", WaitKind.APPROVAL)) == (
        [output("a")],
        [approval()],
    )


async def test_a_step_of_which_one_row_is_refused_writes_nothing(store: Store) -> None:
    await store.commit(begin())
    await store.commit(step("run-1", event(1), outputs=(output("a"),)))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.commit(step("run-1", event(2), frames=(FRAME,), outputs=(output("a"),)))
    assert (await store.run("run-1")).last_seq == 1
    assert (await seqs(store), await store.frames("run-1")) == ([0, 1], [])
    await store.commit(step("run-1", event(2)))


async def test_a_driver_that_lost_the_lease_writes_nothing(store: Store) -> None:
    await store.commit(ASKING)
    submitted = await store.submit_decision(*decision())
    await store.take_lease("run-1", OTHER, is_dead=lambda _: False, force=True)
    late = step("run-1", event(2), outputs=(output("a"),), frames=(FRAME,), waits=(decided(),))
    assert submitted.request_id is not None
    with pytest.raises(LeaseLost, match="'run-1'"):
        await store.commit(replace(late, applied=(submitted.request_id,), closing=end(3)))
    assert (await seqs(store), await store.outputs("run-1"), await store.frames("run-1")) == ([0, 1], [], [])
    assert [row.status for row in await store.waits("run-1", WaitKind.APPROVAL)] == [WaitStatus.OPEN]
    assert len(await store.requests("run-1")) == 1


async def test_a_driver_that_gave_the_lease_back_writes_nothing(store: Store) -> None:
    await store.commit(begin())
    await store.release_lease("run-1", 1)
    with pytest.raises(LeaseLost):
        await store.commit(step("run-1", event(1)))
    assert await seqs(store) == [0]


async def test_a_driver_of_a_run_that_is_not_there_has_no_lease(store: Store) -> None:
    with pytest.raises(LeaseLost):
        await store.commit(step("nope", event(0)))


async def test_a_step_that_leaves_a_gap_in_the_log_is_refused(store: Store) -> None:
    await store.commit(begin())
    with pytest.raises(LeaseLost):
        await store.commit(step("run-1", event(2)))
    assert await seqs(store) == [0]


async def test_the_end_is_written_when_the_inbox_is_empty_and_gives_the_lease_back(store: Store) -> None:
    await store.commit(begin())
    commit = replace(step("run-1", event(1)), closing=end(2), is_release=True)
    assert (await store.commit(commit)).is_closed
    row = await store.run("run-1")
    assert (row.status, row.last_seq, row.finished_at_ms) == (RunStatus.FINISHED, 2, NOW_MS + 2)
    assert (row.owner, row.lease_expires_at_ms, row.is_leased) == (None, None, False)


async def test_the_end_waits_for_a_decision_that_was_accepted(store: Store) -> None:
    await store.commit(ASKING)
    submitted = await store.submit_decision(*decision(note="go"))
    commit = replace(step("run-1", event(2)), closing=end(3), is_release=True)
    committed = await store.commit(commit)
    assert not committed.is_closed
    assert [(row.id, row.kind, decision_of(row).note) for row in committed.requests] == [
        (submitted.request_id, RequestKind.DECIDE, "go")
    ]
    row = await store.run("run-1")
    assert (row.status, row.last_seq, row.is_leased) == (RunStatus.RUNNING, 2, True)
    applying = replace(step("run-1", event(3), waits=(decided(),)), applied=(committed.requests[0].id,), closing=end(4))
    assert (await store.commit(applying)).is_closed
    assert await store.requests("run-1") == []


async def test_a_cancel_that_the_end_itself_answers_does_not_stand_in_its_way(store: Store) -> None:
    await store.commit(ASKING)
    cancel = (await store.submit_cancel("run-1", created_at_ms=NOW_MS)).request_id
    assert cancel is not None
    early = replace(step("run-1", event(2)), closing=None, closing_applied=(cancel,))
    await store.commit(early)
    assert [row.id for row in await store.requests("run-1")] == [cancel], "forgotten before the end"
    late = replace(step("run-1", event(3)), closing=end(4, RunStatus.CANCELLED), closing_applied=(cancel,))
    assert (await store.commit(late)).is_closed
    assert await store.requests("run-1") == []


async def test_the_end_waits_for_a_decision_beside_a_cancel_and_keeps_the_cancel(store: Store) -> None:
    await store.commit(ASKING)
    approval = (await store.submit_decision(*decision())).request_id
    cancel = (await store.submit_cancel("run-1", created_at_ms=NOW_MS)).request_id
    assert cancel is not None
    closing = replace(step("run-1"), closing=end(2, RunStatus.CANCELLED), closing_applied=(cancel,))
    committed = await store.commit(closing)
    assert (committed.is_closed, [row.id for row in committed.requests]) == (False, [approval])
    assert [row.id for row in await store.requests("run-1")] == [approval, cancel]


REPEATED = [
    step("run-1", event(2), event(3), outputs=(output("a"),), frames=(FRAME,), waits=(decided(),)),
    replace(step("run-1", event(2)), closing=end(3), is_release=True),
    replace(step("run-1"), closing=end(2), is_release=True),
    replace(step("run-1", event(2)), closing=Batch(RunStatus.RUNNING, (event(3),))),
]


@pytest.mark.parametrize("commit", REPEATED)
async def test_a_commit_whose_answer_was_lost_can_be_repeated(store: Store, commit: Commit) -> None:
    await store.commit(ASKING)
    first = await store.commit(commit)
    row, written = await store.run("run-1"), await seqs(store)
    assert await store.commit(commit) == first
    again = await store.run("run-1")
    assert (again.status, again.last_seq, again.owner) == (row.status, row.last_seq, row.owner)
    assert await seqs(store) == written


async def test_a_repeated_commit_closed_even_when_the_inbox_has_filled_since(store: Store) -> None:
    await store.commit(begin("run-1", pending(1, "approval"), pending(2, "old"), waits=(approval(), approval("old"))))
    commit = replace(step("run-1", event(3)), closing=Batch(RunStatus.RUNNING, (event(4),), waits=(decided("old"),)))
    assert (await store.commit(commit)).is_closed
    await store.submit_decision(*decision())
    assert (await store.commit(commit)).is_closed


async def test_a_repeated_commit_that_could_not_close_says_so_again(store: Store) -> None:
    await store.commit(ASKING)
    await store.submit_decision(*decision())
    commit = replace(step("run-1", event(2)), closing=end(3))
    assert await store.commit(commit) == await store.commit(commit)


async def test_a_commit_whose_caller_is_cancelled_comes_to_its_end(store: Store) -> None:
    await store.commit(begin())
    committing = asyncio.ensure_future(store.commit(step("run-1", event(1))))
    await asyncio.sleep(0)
    committing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await committing
    await store.commit(step("run-1", event(2)))
    assert await seqs(store) == [0, 1, 2]


async def test_transactions_asked_for_at_once_do_not_mix(store: Store) -> None:
    await asyncio.gather(*(store.commit(begin(f"run-{i}")) for i in range(40)))
    await asyncio.gather(*(store.commit(step(f"run-{i}", event(1), outputs=(output("a"),))) for i in range(40)))
    assert {row.last_seq for row in await store.runs(limit=99)} == {1}

"""Leases: one driver at a time, by the fence and by the database's clock."""

import asyncio
import threading
from dataclasses import replace

import pytest

from smithersd.errors import LeaseLost, RunIsDriven, RunNotFound
from smithersd.limits import LEASE_S
from smithersd.store import Store, open_store
from smithersd.store.records import Commit
from tests.store.rows import OTHER, OWNER, begin, end, event, step
from tests.support.backends import Backend

LEASE_MS = round(LEASE_S * 1000)


def alive(_: str) -> bool:
    return False


def dead(_: str) -> bool:
    return True


async def lease_left_ms(store: Store) -> int:
    row = await store.run("run-1")
    assert row.lease_expires_at_ms is not None
    return row.lease_expires_at_ms - row.store_now_ms


async def let_time_pass(backend: Backend, ms: int) -> None:
    """Let the lease be as old as if nobody had renewed it for so long."""
    await backend.execute(f"UPDATE {{runs}} SET lease_expires_at_ms = lease_expires_at_ms - {ms}")


async def test_a_new_run_is_leased_for_15_s_by_the_databases_clock_whatever_ours_says(store: Store) -> None:
    await store.commit(begin(created_at_ms=5))
    assert 0 < await lease_left_ms(store) <= LEASE_MS
    assert (await store.run("run-1")).is_leased


async def test_a_run_that_is_driven_is_not_given_to_another(store: Store) -> None:
    await store.commit(begin())
    asked: list[str] = []
    with pytest.raises(RunIsDriven, match="process 42 on here"):
        await store.take_lease("run-1", OTHER, is_dead=lambda owner: bool(asked.append(owner)))
    assert asked == [OWNER]
    assert (await store.run("run-1")).fence == 1
    with pytest.raises(RunNotFound):
        await store.take_lease("nope", OTHER, is_dead=alive)


async def test_a_lease_that_ran_out_goes_to_who_asks(backend: Backend, store: Store) -> None:
    await store.commit(begin())
    await let_time_pass(backend, LEASE_MS - 2_000)
    with pytest.raises(RunIsDriven):
        await store.take_lease("run-1", OTHER, is_dead=alive)
    await let_time_pass(backend, 2_000)
    assert not (await store.run("run-1")).is_leased
    lease = await store.take_lease("run-1", OTHER, is_dead=alive)
    assert (lease.fence, lease.former_owner, lease.run.owner, lease.run.fence) == (2, OWNER, OTHER, 2)
    assert LEASE_MS - 5_000 < await lease_left_ms(store) <= LEASE_MS


async def test_the_lease_of_a_dead_owner_is_taken_at_once(store: Store) -> None:
    await store.commit(begin())
    assert (await store.take_lease("run-1", OTHER, is_dead=dead)).fence == 2


async def test_force_takes_the_lease_of_a_live_owner(store: Store) -> None:
    await store.commit(begin())
    lease = await store.take_lease("run-1", OTHER, is_dead=alive, force=True)
    assert (lease.fence, lease.former_owner) == (2, OWNER)


async def test_a_lease_that_was_given_back_is_free(store: Store) -> None:
    await store.commit(begin())
    await store.release_lease("run-1", 1)
    assert (await store.run("run-1")).owner is None
    lease = await store.take_lease("run-1", OTHER, is_dead=alive)
    assert (lease.fence, lease.former_owner) == (2, None)


async def test_the_last_seq_is_read_with_the_fence(store: Store) -> None:
    await store.commit(begin())
    await store.commit(step("run-1", event(1)))
    assert (await store.take_lease("run-1", OTHER, is_dead=dead)).run.last_seq == 1


async def test_renewing_gives_the_lease_its_full_time(backend: Backend, store: Store) -> None:
    await store.commit(begin())
    await let_time_pass(backend, 10_000)
    await store.renew_lease("run-1", 1)
    assert LEASE_MS - 5_000 < await lease_left_ms(store) <= LEASE_MS


async def test_every_commit_renews(backend: Backend, store: Store) -> None:
    await store.commit(begin())
    await let_time_pass(backend, 10_000)
    await store.commit(step("run-1", event(1)))
    assert LEASE_MS - 5_000 < await lease_left_ms(store) <= LEASE_MS


async def test_a_lease_that_ran_out_and_nobody_took_is_renewed(backend: Backend, store: Store) -> None:
    await store.commit(begin())
    await let_time_pass(backend, 10 * LEASE_MS)
    await store.renew_lease("run-1", 1)
    assert (await store.run("run-1")).is_leased


async def test_who_lost_the_lease_can_neither_renew_nor_release_it(store: Store) -> None:
    await store.commit(begin())
    await store.take_lease("run-1", OTHER, is_dead=alive, force=True)
    with pytest.raises(LeaseLost, match="'run-1'"):
        await store.renew_lease("run-1", 1)
    await store.release_lease("run-1", 1)
    row = await store.run("run-1")
    assert (row.owner, row.is_leased) == (OTHER, True)


async def test_a_released_lease_cannot_be_renewed(store: Store) -> None:
    await store.commit(begin())
    await store.release_lease("run-1", 1)
    with pytest.raises(LeaseLost):
        await store.renew_lease("run-1", 1)


async def test_releasing_twice_does_no_harm(store: Store) -> None:
    await store.commit(Commit("run-1", 1, begin().batch, new_run=begin().new_run, closing=end(1), is_release=True))
    await store.release_lease("run-1", 1)
    assert (await store.run("run-1")).owner is None


async def test_of_many_who_ask_at_once_one_gets_the_lease(store: Store) -> None:
    await store.commit(begin())
    await store.release_lease("run-1", 1)
    asking = [store.take_lease("run-1", OTHER, is_dead=alive) for _ in range(10)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(answer, RunIsDriven) for answer in answers) == 9
    assert (await store.run("run-1")).fence == 2


async def test_the_driver_finds_out_with_its_inbox_that_it_is_none_any_more(store: Store) -> None:
    await store.commit(begin())
    await store.submit_cancel("run-1", created_at_ms=1)
    assert [row.kind for row in await store.driver_requests("run-1", 1)] == ["cancel"]
    await store.take_lease("run-1", OTHER, is_dead=alive, force=True)
    with pytest.raises(LeaseLost, match="'run-1'"):
        await store.driver_requests("run-1", 1)
    assert len(await store.driver_requests("run-1", 2)) == 1


async def test_a_lease_lasts_as_long_as_the_store_that_takes_or_renews_it_says(backend: Backend, store: Store) -> None:
    async with open_store(backend.url, lease_s=60) as longer:
        await longer.commit(begin())
        assert 55_000 < await lease_left_ms(store) <= 60_000
        await longer.renew_lease("run-1", 1)
        assert 55_000 < await lease_left_ms(store) <= 60_000
        await longer.take_lease("run-1", OTHER, is_dead=dead)
        assert 55_000 < await lease_left_ms(store) <= 60_000
    await store.renew_lease("run-1", 2)
    assert await lease_left_ms(store) <= LEASE_MS


async def test_a_lease_is_renewed_while_the_loop_is_held(backend: Backend, store: Store) -> None:
    await store.commit(begin())
    await let_time_pass(backend, LEASE_MS - 2_000)
    assert await lease_left_ms(store) <= 2_000
    renewing = threading.Thread(target=store.renew_lease_from_thread, args=("run-1", 1))
    renewing.start()
    renewing.join()  # which holds the loop
    assert await lease_left_ms(store) > 2_000


@pytest.mark.parametrize("loss", ["taken", "given back", "ended", "crashed"])
async def test_a_lease_that_is_held_no_longer_is_not_renewed_from_a_thread(store: Store, loss: str) -> None:
    await store.commit(begin())
    match loss:
        case "taken":
            await store.take_lease("run-1", OTHER, is_dead=dead)
        case "given back":
            await store.release_lease("run-1", 1)
        case "ended":
            await store.commit(replace(step("run-1"), closing=end(1), is_release=True))
        case _:
            await store.mark_crashed("run-1", 1, OTHER)
    before = await store.run("run-1")
    with pytest.raises(LeaseLost):
        await asyncio.to_thread(store.renew_lease_from_thread, "run-1", 1)
    after = await store.run("run-1")
    assert (after.owner, after.lease_expires_at_ms, after.fence) == (
        before.owner,
        before.lease_expires_at_ms,
        before.fence,
    )


async def test_a_driver_that_crashed_writes_no_more_and_leaves_its_name(store: Store) -> None:
    await store.commit(begin())
    await store.mark_crashed("run-1", 1, OTHER)
    assert not (await store.run("run-1")).is_leased
    with pytest.raises(LeaseLost):
        await store.commit(step("run-1", event(1)))
    await store.mark_crashed("run-1", 1, OWNER)  # no lease of that fence is left
    lease = await store.take_lease("run-1", OWNER, is_dead=alive)
    assert lease.former_owner == OTHER


async def test_a_lease_is_held_until_it_runs_out_or_is_lost_and_an_ended_run_needs_none(
    backend: Backend, store: Store
) -> None:
    await store.commit(begin())
    assert await store.holds_lease("run-1", 1)
    await let_time_pass(backend, LEASE_MS)
    assert not await store.holds_lease("run-1", 1)
    lease = await store.take_lease("run-1", OTHER, is_dead=dead)
    assert (await store.holds_lease("run-1", 1), await store.holds_lease("run-1", lease.fence)) == (False, True)
    await store.commit(replace(step("run-1", fence=lease.fence), closing=end(1), is_release=True))
    assert await store.holds_lease("run-1", lease.fence)

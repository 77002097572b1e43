"""The feed: whoever follows, from wherever, however slowly, gets every event once and in order."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd.errors import StoreUnavailable
from smithersd.feed import Feed, Follower, LoggedEvent

LONG_S = 3_600.0
"""A poll that no test lives to see: what comes, comes by the wake-up."""


@dataclass(frozen=True, slots=True)
class Row:
    seq: int
    type: str = "NodeOutput"
    node_id: str | None = None
    payload: str = "{}"


@dataclass
class ListLog:
    """A log in a list; `is_silent` means that it wakes nobody."""

    rows: list[Row] = field(default_factory=list)
    is_silent: bool = False
    rows_per_read: int = 1_000
    reads: int = 0
    failures_left: int = 0
    wakes: list[Callable[[], None]] = field(default_factory=list)
    is_broken: bool = False

    async def last_seq(self) -> int:
        return len(self.rows) - 1

    async def read(self, *, after_seq: int, limit: int) -> Sequence[LoggedEvent]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.is_broken:
            raise KeyError("broken")
        if self.failures_left:
            self.failures_left -= 1
            raise StoreUnavailable("disk full")
        return self.rows[after_seq + 1 : after_seq + 1 + min(limit, self.rows_per_read)]

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        self.wakes.append(wake)
        return lambda: self.wakes.remove(wake)

    def append(self, count: int = 1, *, size: int = 2) -> None:
        start = len(self.rows)
        self.rows += [Row(seq, payload="x" * size) for seq in range(start, start + count)]
        self._wake()

    def end(self) -> None:
        self.rows.append(Row(len(self.rows), type="RunFinished"))
        self._wake()

    def _wake(self) -> None:
        for wake in [] if self.is_silent else self.wakes:
            wake()


def feed_of(log: ListLog, *, poll_s: float = LONG_S, ring_bytes_max: int = 1 << 20) -> Feed:
    return Feed(
        log, encode=lambda row: f"{row.seq}:{row.payload}\n".encode(), poll_s=poll_s, ring_bytes_max=ring_bytes_max
    )


async def seqs_to_end(follower: Follower, *, bytes_max: int = 64) -> list[int]:
    seqs: list[int] = []
    while taken := await follower.take(bytes_max=bytes_max):
        seqs += [event.seq for event in taken]
    return seqs


async def test_gives_what_is_stored_and_what_comes_later_and_then_the_end() -> None:
    log = ListLog()
    log.append(3)
    feed = feed_of(log)
    async with feed.follow(-1) as follower:
        first = await follower.take()
        log.append(2)
        second = await follower.take()
        log.end()
        assert [event.seq for event in [*first, *second]] + await seqs_to_end(follower) == list(range(6))


@pytest.mark.parametrize(("is_silent", "poll_s"), [(False, LONG_S), (True, 0.01)], ids=["wake-up only", "poll only"])
async def test_hears_of_news_by_either_way_alone(*, is_silent: bool, poll_s: float) -> None:
    log = ListLog(is_silent=is_silent)
    async with feed_of(log, poll_s=poll_s).follow(-1) as follower:
        for seq in range(5):
            log.append()
            assert [event.seq for event in await follower.take()] == [seq]


async def test_a_follower_who_starts_at_the_end_of_an_ended_log_gets_the_end_at_once() -> None:
    log = ListLog()
    log.append(4)
    log.end()
    for start in (4, 5, 10_000):
        async with feed_of(log).follow(start) as follower:
            assert await follower.take() == ()


async def test_a_follower_who_starts_beyond_the_log_waits_and_gets_the_end() -> None:
    log = ListLog()
    log.append(2)
    async with feed_of(log).follow(100) as follower:
        waiting = asyncio.create_task(follower.take())
        log.append(3)
        log.end()
        assert await waiting == ()


async def test_a_take_that_is_cancelled_took_nothing() -> None:
    log = ListLog()
    async with feed_of(log).follow(-1) as follower:
        waiting = asyncio.create_task(follower.take())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        log.append(2)
        log.end()
        assert await seqs_to_end(follower) == [0, 1, 2]


async def test_reads_nothing_while_nobody_follows() -> None:
    log = ListLog()
    feed = feed_of(log, poll_s=0.001)
    async with feed.follow(-1) as follower:
        log.append()
        await follower.take()
        assert feed.is_tailing
    assert not feed.is_tailing
    assert log.wakes == []
    reads = log.reads
    log.append(5)
    await asyncio.sleep(0.02)
    assert log.reads == reads


async def test_reads_each_event_once_for_all_followers_who_keep_up() -> None:
    log = ListLog()
    feed = feed_of(log)

    async def follow() -> list[int]:
        async with feed.follow(-1) as follower:
            return await seqs_to_end(follower)

    followers = [asyncio.create_task(follow()) for _ in range(50)]
    await asyncio.sleep(0)
    for _ in range(20):
        log.append()
        for _ in range(10):
            await asyncio.sleep(0)
    log.end()
    assert await asyncio.gather(*followers) == [list(range(21))] * 50
    # Each event at most once, the empty reads in between, and nothing for each follower.
    assert log.reads <= 2 * 21 + 2


async def test_followers_at_the_same_place_share_the_pages_of_a_long_log() -> None:
    log = ListLog()
    log.append(5_000)
    log.end()
    feed = feed_of(log)

    async def follow() -> list[int]:
        async with feed.follow(-1) as follower:
            return await seqs_to_end(follower, bytes_max=4_096)

    assert await asyncio.gather(*(follow() for _ in range(100))) == [list(range(5_001))] * 100
    assert log.reads < 20


async def test_a_follower_who_falls_out_of_the_ring_misses_nothing() -> None:
    log = ListLog()
    feed = feed_of(log, ring_bytes_max=200)
    async with feed.follow(-1) as slow, feed.follow(-1) as fast:
        assert (log.append(), [event.seq for event in await slow.take()])[1] == [0]
        for _ in range(300):
            log.append(size=20)
            await fast.take()
        log.end()
        assert await seqs_to_end(slow) == list(range(1, 302))


async def test_a_ring_keeps_the_newest_event_however_large_it_is() -> None:
    log = ListLog()
    async with feed_of(log, ring_bytes_max=10).follow(-1) as follower:
        log.append(size=1_000)
        assert [event.seq for event in await follower.take(bytes_max=5)] == [0]


async def test_waits_for_a_store_that_is_out_of_reach() -> None:
    log = ListLog(failures_left=3)
    log.append(2)
    log.end()
    async with feed_of(log, poll_s=0.001).follow(-1) as follower:
        assert await seqs_to_end(follower) == [0, 1, 2]


async def test_tells_every_follower_when_it_breaks_down(caplog: pytest.LogCaptureFixture) -> None:
    log = ListLog()
    feed = feed_of(log)
    async with feed.follow(-1) as one, feed.follow(-1) as other:
        waiting = asyncio.create_task(one.take())
        log.append()
        assert [event.seq for event in await waiting] == [0]
        log.is_broken = True
        log.append()
        for follower in (one, other):
            with pytest.raises(RuntimeError, match="broke down"):
                await seqs_to_end(follower)
    assert "broke down" in caplog.text


async def test_a_log_with_a_gap_is_never_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    log = ListLog(rows=[Row(0), Row(2)])
    async with feed_of(log).follow(-1) as follower:
        with pytest.raises(RuntimeError):
            await seqs_to_end(follower)
    assert "gap" in caplog.text


async def test_draining_gives_what_the_log_holds_and_then_the_end() -> None:
    log = ListLog(is_silent=True)
    feed = feed_of(log)
    async with feed.follow(-1) as follower:
        waiting = asyncio.create_task(seqs_to_end(follower))
        await asyncio.sleep(0.01)
        log.append(3)
        feed.drain()
        assert await waiting == [0, 1, 2]
    async with feed.follow(1) as late:
        assert await seqs_to_end(late) == [2]


@settings(max_examples=60)
@given(
    seed=st.integers(),
    stored=st.integers(0, 300),
    coming=st.integers(0, 200),
    ring_bytes_max=st.integers(1, 3_000),
    rows_per_read=st.integers(1, 70),
    starts=st.lists(st.integers(-1, 600), min_size=1, max_size=8),
)
def test_never_a_gap_a_duplicate_or_a_reorder(
    *, seed: int, stored: int, coming: int, ring_bytes_max: int, rows_per_read: int, starts: list[int]
) -> None:
    log = ListLog(rows_per_read=rows_per_read)
    log.append(stored)
    feed = feed_of(log, ring_bytes_max=ring_bytes_max)
    asyncio.run(_check_followers(random.Random(seed), log, feed, coming, starts))


async def _check_followers(chance: random.Random, log: ListLog, feed: Feed, coming: int, starts: list[int]) -> None:

    async def follow(start: int) -> list[int]:
        """Follow with random slowness, and reconnect now and then."""
        seqs: list[int] = []
        cursor = start
        while True:
            async with feed.follow(cursor) as follower:
                while taken := await follower.take(bytes_max=chance.randint(1, 500)):
                    seqs += [event.seq for event in taken]
                    cursor = follower.cursor
                    for _ in range(chance.choice([0, 0, 1, 30])):
                        await asyncio.sleep(0)
                    if chance.random() < 0.05:
                        break
                else:
                    return seqs

    async def write() -> None:
        for _ in range(coming):
            log.append(size=chance.randint(0, 40))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
        log.end()

    results, _ = await asyncio.gather(asyncio.gather(*map(follow, starts)), write())
    assert results == [list(range(start + 1, len(log.rows))) for start in starts]


async def test_tells_who_need_not_wait() -> None:
    log = ListLog()
    log.append(3)
    async with feed_of(log).follow(-1) as follower:
        await follower.take(bytes_max=1)
        assert follower.is_behind
        await follower.take()
        assert not follower.is_behind
        log.append()
        await follower.take()
        assert (follower.cursor, follower.is_behind) == (3, False)


async def test_a_reading_that_somebody_cancels_leaves_no_follower_waiting() -> None:
    log = ListLog()
    feed = feed_of(log, poll_s=LONG_S)
    async with feed.follow(-1) as follower:
        before = asyncio.all_tasks()
        taking = asyncio.create_task(follower.take())
        for task in before - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(RuntimeError, match="broke down"):
            await taking

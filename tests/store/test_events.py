"""Events: in order, dense, and in pages that fit into memory."""

import json

from smithersd.limits import EVENT_PAGE_BYTES_MAX, EVENTS_PER_PAGE_MAX, MIB
from smithersd.store import Store
from tests.store.rows import begin, event


async def test_events_come_back_in_order_and_as_they_were(store: Store) -> None:
    payload = json.dumps({"text": "\0 \u2028 ß 💥 ' \" \\ {runs} $1"}, ensure_ascii=False)
    written = [event(1, "NodeStarted", "a/b", payload), event(2, "NodeFinished", "a/b")]
    await store.commit(begin("run-1", *written))
    await store.commit(begin("run-2", event(1, node_id="other")))
    assert (await store.events("run-1", after_seq=0)) == written


async def test_a_page_has_at_most_5000_events_and_the_next_goes_on(store: Store) -> None:
    await store.commit(begin("run-1", *(event(seq) for seq in range(1, 6_001))))
    first = await store.events("run-1", after_seq=-1, limit=100_000)
    assert [row.seq for row in first] == list(range(EVENTS_PER_PAGE_MAX))
    second = await store.events("run-1", after_seq=first[-1].seq)
    assert [row.seq for row in second] == list(range(EVENTS_PER_PAGE_MAX, 6_001))
    assert await store.events("run-1", after_seq=6_000) == []
    assert await store.events("run-1", after_seq=2**62) == []


async def test_a_limit_is_kept(store: Store) -> None:
    await store.commit(begin("run-1", *(event(seq) for seq in range(1, 10))))
    assert [row.seq for row in await store.events("run-1", after_seq=2, limit=3)] == [3, 4, 5]


async def test_a_page_stops_after_4_mib_and_has_at_least_one_event(store: Store) -> None:
    big = "x" * (EVENT_PAGE_BYTES_MAX // 4)
    huge = "x" * (2 * EVENT_PAGE_BYTES_MAX)
    sizes = [big] * 6 + [huge, "{}"]
    await store.commit(begin("run-1", *(event(seq, payload=payload) for seq, payload in enumerate(sizes, 1))))
    pages, after_seq = [], 0
    while page := await store.events("run-1", after_seq=after_seq):
        pages.append([row.seq for row in page])
        after_seq = page[-1].seq
    assert pages == [[1, 2, 3, 4], [5, 6], [7], [8]]


async def test_a_payload_of_10_mib_is_kept_whole(store: Store) -> None:
    payload = json.dumps("ß" * (5 * MIB), ensure_ascii=False)
    await store.commit(begin("run-1", event(1, payload=payload)))
    assert (await store.events("run-1", after_seq=0))[0].payload == payload

"""Frames: kept as written, read in order and in part."""

from smithersd.store import Store
from smithersd.store.records import FrameRow
from tests.store.rows import NOW_MS, begin, event, step


async def test_frames_are_read_in_order_from_and_up_to_a_number(store: Store) -> None:
    rows = [FrameRow(number, NOW_MS, f"hash-{number}", f'{{"": {number}}}') for number in range(1, 6)]
    await store.commit(begin())
    await store.commit(step("run-1", event(1), frames=tuple(rows)))
    assert await store.frames("run-1") == rows
    assert await store.frames("run-1", after_frame_no=2) == rows[2:]
    assert await store.frames("run-1", after_frame_no=1, up_to_frame_no=3) == rows[1:3]
    assert await store.frames("run-1", after_frame_no=5) == []
    assert await store.frames("run-2") == []

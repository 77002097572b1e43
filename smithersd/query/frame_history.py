"""Pages of whole frames, composed from rows that hold only what each frame changed.

The cost depends on the page, not on the length of the history: scopes are carried forward from the nearest frame at
which an earlier page began, and trees that would not fit into the page are not composed.
"""

import asyncio
from collections.abc import Sequence

from smithersd.core.tree.frames import FrameTree, node_ids
from smithersd.limits import FRAMES_PAGE_BYTES_MAX
from smithersd.query.json import to_json
from smithersd.query.scopes import Scopes, carried_forward
from smithersd.store import Store
from smithersd.store.records import FrameRow

_BASES_MAX = 3
"""How many frames are kept from which later pages can be carried forward."""
_ROWS_AT_ONCE = 50
_STRETCH_GROWTH = 4
"""By which factor the next stretch may grow: earlier frames may be larger than those composed so far."""


class FrameHistory:
    """The frames of one run; one page at a time, composed in a thread."""

    def __init__(self, store: Store, run_id: str, *, page_bytes_max: int = FRAMES_PAGE_BYTES_MAX) -> None:
        self._store = store
        self._run_id = run_id
        self._page_bytes_max = page_bytes_max
        self._bases: list[Scopes] = [Scopes()]
        self._lock = asyncio.Lock()

    async def after(self, frame_no: int, *, last_frame_no: int, limit: int) -> list[bytes]:
        """Return the JSON of the frames after `frame_no`, oldest first."""
        if frame_no >= last_frame_no:
            return []
        async with self._lock:
            return await self._oldest_first(frame_no, min(frame_no + limit, last_frame_no))

    async def newest(self, *, last_frame_no: int, limit: int) -> list[bytes]:
        """Return the JSON of the last frames, newest first."""
        async with self._lock:
            return await self._newest_first(last_frame_no, limit)

    async def _oldest_first(self, frame_no: int, last: int) -> list[bytes]:
        tree = (await self._scopes_at(frame_no)).tree()
        page: list[bytes] = []
        room = self._page_bytes_max
        while frame_no < last and room > 0:
            rows = await self._rows(frame_no, min(frame_no + _ROWS_AT_ONCE, last))
            frame_no = rows[-1].frame_no
            composed = await asyncio.to_thread(_compose, self._run_id, tree, rows, room)
            page += composed
            room -= sum(map(len, composed))
        return page if room >= 0 or len(page) == 1 else page[:-1]

    async def _newest_first(self, last: int, limit: int) -> list[bytes]:
        """Compose backwards in stretches, each as long as is likely to fit by the size of the frames so far."""
        start = await self._scopes_at(max(0, last - limit))
        page: list[bytes] = []
        room = self._page_bytes_max
        stretch = 1
        while last > 0 and len(page) < limit:
            stretch = min(stretch, limit - len(page), last)
            for frame in reversed(await self._stretch(start, last - stretch, last)):
                room -= len(frame)
                if room < 0 and page:
                    return page
                page.append(frame)
            last -= stretch
            mean = (self._page_bytes_max - room) // len(page)
            stretch = max(1, min(room // mean, _STRETCH_GROWTH * stretch))
        return page

    async def _stretch(self, start: Scopes, first: int, last: int) -> list[bytes]:
        scopes = await carried_forward(start, self._store, self._run_id, first)
        rows = await self._rows(first, last)
        return await asyncio.to_thread(_compose, self._run_id, scopes.tree(), rows, None)

    async def _scopes_at(self, frame_no: int) -> Scopes:
        """Return the scopes as of a frame, carried forward from the nearest frame that is kept."""
        nearest = max((base for base in self._bases if base.frame_no <= frame_no), key=lambda base: base.frame_no)
        if nearest.frame_no == frame_no:
            return nearest
        scopes = await carried_forward(nearest, self._store, self._run_id, frame_no)
        # The first one, before any frame, is always kept: every frame can be reached from it.
        self._bases.append(scopes)
        if len(self._bases) > _BASES_MAX:
            del self._bases[1]
        return scopes

    async def _rows(self, after: int, upto: int) -> list[FrameRow]:
        return await self._store.frames(self._run_id, after_frame_no=after, up_to_frame_no=upto)


def _compose(run_id: str, tree: FrameTree, rows: Sequence[FrameRow], room: int | None) -> list[bytes]:
    """Write frame after frame as JSON; with `room`, stop after the one that exceeds it."""
    frames: list[bytes] = []
    for row in rows:
        tree.apply(row.scopes)
        whole = tree.tree()
        frames.append(
            to_json(
                {
                    "runId": run_id,
                    "frameNo": row.frame_no,
                    "createdAtMs": row.created_at_ms,
                    "hash": row.hash,
                    "tree": whole,
                    "nodeIds": node_ids(whole),
                }
            )
        )
        if room is not None:
            room -= len(frames[-1])
            if room < 0:
                break
    return frames

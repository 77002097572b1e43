"""The run as its log tells it now: one fold for all routes and metrics of an app.

Each reading first takes in what the log has gained since. Readings that arrive together share one look at the store:
one that began before I came may have missed what I must see, so I wait for the next one, and so does everybody else
who waits with me.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from smithersd.core.log.events import NodePending, Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.reading import read_event
from smithersd.errors import NodeNotFound, RunNotFound
from smithersd.limits import EVENTS_PER_PAGE_MAX, FOLD_SLICE_EVENTS
from smithersd.store import Store

Observe = Callable[[RunState, Recorded], None]
"""Told of each event, once and in order, after the state took it in."""


class RunView:
    """A fold of one run's log that follows the store."""

    def __init__(self, store: Store, run_id: str, *, observe: Observe) -> None:
        self._store = store
        self._observe = observe
        self._state = RunState(run_id)
        self._iterations: dict[str, list[int]] = {}
        self._lock = asyncio.Lock()
        self._begun_looks = 0
        self._last_look = 0

    @property
    def last_seq(self) -> int:
        """How far the log has been read, -1 before its first event."""
        return self._state.last_seq

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[RunState]:
        """Give the state as of now; it does not change inside of the `with`.

        Raises:
            RunNotFound: the run has not begun.
            StoreInvalid: the log is damaged.
            StoreUnavailable: the store does not answer.
        """
        wanted = self._begun_looks + 1
        async with self._lock:
            if self._last_look < wanted:
                self._begun_looks = look = self._begun_looks + 1
                await self._catch_up()
                # Only now: a look that failed, or whose client left, has shown nothing to those who wait for it.
                self._last_look = look
            if self._state.last_seq < 0:
                run_id = self._state.run_id
                raise RunNotFound(f"The run {run_id!r} has not begun.", remedy="Ask again once it has.")
            yield self._state

    def iterations(self, node_id: str) -> list[int]:
        """Return the iterations of a node, as of the last reading, ascending.

        Raises:
            NodeNotFound: the run has no node of this id.
        """
        known = self._iterations.get(node_id)
        if known is None:
            raise NodeNotFound(f"The run has no node {node_id!r}.", remedy="GET /nodes lists them.")
        return known

    async def _catch_up(self) -> None:
        if not await self._take_page() and not self._state.status.is_final:
            return
        # As far as the log goes now, not until a page is empty: beside an engine at full speed that might never be.
        run = await self._store.find_run(self._state.run_id)
        if run is None or run.last_seq < self._state.last_seq:  # pruned, which only happens after the run's end
            self._forget()
        while run is not None and self._state.last_seq < run.last_seq and await self._take_page():
            pass

    def _forget(self) -> None:
        self._state = RunState(self._state.run_id)
        self._iterations.clear()

    async def _take_page(self) -> bool:
        """Fold the next page of the log; False where there is none."""
        rows = await self._store.events(self._state.run_id, after_seq=self._state.last_seq, limit=EVENTS_PER_PAGE_MAX)
        for index, row in enumerate(rows, start=1):
            event = read_event(self._state.run_id, row.seq, row.payload)
            self._apply(Recorded(row.seq, row.timestamp_ms, event))
            if index % FOLD_SLICE_EVENTS == 0:
                await asyncio.sleep(0)
        return bool(rows)

    def _apply(self, recorded: Recorded) -> None:
        self._state.apply(recorded)
        event = recorded.event
        if isinstance(event, NodePending):
            known = self._iterations.setdefault(event.node_id, [])
            place = bisect_left(known, event.iteration)
            if known[place : place + 1] != [event.iteration]:
                known.insert(place, event.iteration)
        self._observe(self._state, recorded)

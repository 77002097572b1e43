"""The run's current state: one fold of its log for all routes and metrics of an app.

Each reading first applies the events that were added to the log since the last one. Readings that arrive together share
one query of the store: a query that began before a reading arrived may have missed an event that the reading must see,
so it waits for the next query, and so do all others that wait with it.
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
"""Called with each event, once and in order, after it was applied to the state."""


class RunView:
    """A fold of one run's log that follows the store."""

    def __init__(self, store: Store, run_id: str, *, observe: Observe) -> None:
        self._store = store
        self._observe = observe
        self._state = RunState(run_id)
        self._iterations: dict[str, list[int]] = {}
        self._lock = asyncio.Lock()
        self._started_queries = 0
        self._last_query = 0

    @property
    def last_seq(self) -> int:
        """The seq of the last event that was read; -1 before the first one."""
        return self._state.last_seq

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[RunState]:
        """Yield the run's current state, which does not change inside the `with`.

        Raises:
            RunNotFound: the run has not started.
            StoreInvalid: the log is damaged.
            StoreUnavailable: the store does not answer.
        """
        wanted = self._started_queries + 1
        async with self._lock:
            if self._last_query < wanted:
                self._started_queries = query = self._started_queries + 1
                await self._catch_up()
                # Only now: a query that failed or was cancelled has read nothing for those that wait for it.
                self._last_query = query
            if self._state.last_seq < 0:
                run_id = self._state.run_id
                raise RunNotFound(f"The run {run_id!r} has not started.", remedy="Try again when it has.")
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
        # Up to the log's current end, not until a page is empty: an engine at full speed might add events for ever.
        run = await self._store.find_run(self._state.run_id)
        if run is None or run.last_seq < self._state.last_seq:  # pruned, which only happens after the run's end
            self._forget()
        while run is not None and self._state.last_seq < run.last_seq and await self._take_page():
            pass

    def _forget(self) -> None:
        self._state = RunState(self._state.run_id)
        self._iterations.clear()

    async def _take_page(self) -> bool:
        """Fold the next page of the log; return False if there is none."""
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

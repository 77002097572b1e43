"""One run's log, as a feed reads it."""

from collections.abc import Callable, Sequence

from smithersd.store import Store
from smithersd.store.records import EventRow, Topic


class StoredLog:
    """A run's log in a store; the run need not have begun."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    async def last_seq(self) -> int:
        """Return the seq of the last event, -1 while there is none."""
        run = await self._store.find_run(self._run_id)
        return -1 if run is None else run.last_seq

    async def read(self, *, after_seq: int, limit: int) -> Sequence[EventRow]:
        """Return the events after a seq, in order."""
        return await self._store.events(self._run_id, after_seq=after_seq, limit=limit)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when there may be more; return what ends that."""
        return self._store.subscribe(self._run_id, Topic.EVENTS, wake)

"""One run's log in a store: read as a feed reads it, or folded whole."""

from collections.abc import AsyncIterator, Callable, Sequence

from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.reading import read_event
from smithersd.store import Store
from smithersd.store.records import EventRow, Topic


class StoredLog:
    """A run's log in a store; the run need not have started."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    async def last_seq(self) -> int:
        """Return the seq of the last event; -1 if there is none."""
        run = await self._store.find_run(self._run_id)
        return -1 if run is None else run.last_seq

    async def read(self, *, after_seq: int, limit: int) -> Sequence[EventRow]:
        """Return the events after a seq, in order."""
        return await self._store.events(self._run_id, after_seq=after_seq, limit=limit)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever there may be new events; return the function that ends that."""
        return self._store.subscribe(self._run_id, Topic.EVENTS, wake)


async def read_state(store: Store, run_id: str) -> RunState:
    """Return a run's state, folded from its log up to the end that it had when this was called.

    Raises:
        StoreInvalid: the log is damaged.
    """
    state = RunState(run_id)
    async for recorded in read_log(store, run_id):
        state.apply(recorded)
    return state


async def read_log(store: Store, run_id: str) -> AsyncIterator[Recorded]:
    """Yield a run's events in order, up to the end that the log had when this was called.

    Raises:
        StoreInvalid: a row of the log is not a valid event.
    """
    run = await store.find_run(run_id)
    seq, last_seq = -1, -1 if run is None else run.last_seq
    while seq < last_seq and (rows := await store.events(run_id, after_seq=seq)):
        for row in rows:
            yield Recorded(row.seq, row.timestamp_ms, read_event(run_id, row.seq, row.payload))
        seq = rows[-1].seq

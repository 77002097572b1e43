"""Inbox: the requests from outside to a run, as its engine reads them, each one once."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from smithersd.engine.store_retry import StoreRetry
from smithersd.errors import StoreUnavailable
from smithersd.limits import REQUESTS_PER_STEP_MAX
from smithersd.store import Store
from smithersd.store.records import RequestKind, RequestRow, Topic


class Inbox:
    """Reads the requests to one run under the fence of its driver.

    A request stays in the store until the step that applies it is durable, so each read may return requests that were
    returned before: `take` skips those.
    """

    def __init__(self, store: Store, run_id: str, fence: int, wake: Callable[[], None]) -> None:
        self._store = store
        self._run_id = run_id
        self._fence = fence
        self._wake = wake
        self._is_to_be_read = True
        self._applied: dict[int, None] = {}
        self._cancels: dict[int, None] = {}

    @property
    def applied(self) -> tuple[int, ...]:
        """The ids of the requests that the next step applies."""
        return tuple(self._applied)

    @property
    def cancels(self) -> tuple[int, ...]:
        """The ids of the requests to cancel the run, which the end of the run applies."""
        return tuple(self._cancels)

    def subscribe(self) -> Callable[[], None]:
        """Read the requests whenever the store reports new ones; return a function that ends the subscription."""
        return self._store.subscribe(self._run_id, Topic.REQUESTS, self.read_soon)

    def read_soon(self) -> None:
        """Wake the engine to read the requests in its next turn."""
        self._is_to_be_read = True
        self._wake()

    async def read(self, retry: StoreRetry) -> Sequence[RequestRow]:
        """Return the requests in the store if `read_soon` was called since the last read, else none.

        Raises:
            LeaseLost: another driver has taken over the run.
        """
        if not self._is_to_be_read:
            return ()
        self._is_to_be_read = False
        try:
            rows = await retry.retry_until_available(lambda: self._store.driver_requests(self._run_id, self._fence))
        except StoreUnavailable:  # the engine was asked to stop; the next write raises if the store still refuses
            self._is_to_be_read = True
            return ()
        if len(rows) >= REQUESTS_PER_STEP_MAX:
            self.read_soon()
        return rows

    def take(self, rows: Iterable[RequestRow]) -> Iterator[RequestRow]:
        """Yield the requests that were not taken before, and mark them as taken."""
        for row in rows:
            taken = self._cancels if row.kind is RequestKind.CANCEL else self._applied
            if row.id not in taken:
                taken[row.id] = None
                yield row

    def forget_applied(self) -> None:
        """Forget the applied requests after a commit, which has deleted them from the store."""
        self._applied.clear()

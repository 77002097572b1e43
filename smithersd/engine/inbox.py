"""Inbox: what people ask of a run, read while an engine drives it, each request once."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from smithersd.engine.store_retry import StoreRetry
from smithersd.errors import StoreUnavailable
from smithersd.store import Store
from smithersd.store.records import RequestKind, RequestRow, Topic


class Inbox:
    """The requests to one run, as its engine reads them under a fence.

    A request stays in the store until the step that applies it is durable, so it is read again and again: what is
    known by now is passed over.
    """

    def __init__(self, store: Store, run_id: str, fence: int, wake: Callable[[], None]) -> None:
        self._store = store
        self._run_id = run_id
        self._fence = fence
        self._wake = wake
        self._is_to_be_read = True
        self._applied: list[int] = []
        self._cancels: list[int] = []

    @property
    def applied(self) -> tuple[int, ...]:
        """The requests that the next step applies, by their ids."""
        return tuple(self._applied)

    @property
    def cancels(self) -> tuple[int, ...]:
        """The requests to cancel the run, by their ids: the end of the run applies them."""
        return tuple(self._cancels)

    def subscribe(self) -> Callable[[], None]:
        """Read the requests whenever the store says that there are new ones; return what ends that."""
        return self._store.subscribe(self._run_id, Topic.REQUESTS, self.read_soon)

    def read_soon(self) -> None:
        """Have the requests read in the engine's next turn, and wake it for that."""
        self._is_to_be_read = True
        self._wake()

    async def read(self, retry: StoreRetry) -> Sequence[RequestRow]:
        """Read the requests, if it is time to.

        Raises:
            LeaseLost: another driver took the run.
        """
        if not self._is_to_be_read:
            return ()
        self._is_to_be_read = False
        try:
            return await retry.retry_until_available(lambda: self._store.driver_requests(self._run_id, self._fence))
        except StoreUnavailable:  # asked to stop: the next write tells whether that can be said
            self._is_to_be_read = True
            return ()

    def take(self, rows: Iterable[RequestRow]) -> Iterator[RequestRow]:
        """Yield the requests that are new, and note them as taken."""
        for row in rows:
            taken = self._cancels if row.kind is RequestKind.CANCEL else self._applied
            if row.id not in taken:
                taken.append(row.id)
                yield row

    def forget_applied(self) -> None:
        """Forget the requests whose effect is durable: they are in the store no longer."""
        self._applied.clear()

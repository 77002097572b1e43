"""LeaseKeeper: renew the lease of a run while an engine drives it, and give it back afterwards."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from smithersd.engine.lease.lease import HeldLease
from smithersd.engine.lease.owner import own_text
from smithersd.engine.lease.watchdog import watched
from smithersd.engine.store_retry import StoreRetry
from smithersd.errors import StoreUnavailable


class LeaseKeeper:
    """Renews a lease in time. `on_due` is called in the loop's thread whenever a renewal is due."""

    def __init__(self, lease: HeldLease, on_due: Callable[[], None]) -> None:
        self._lease = lease
        self._on_due = on_due
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False

    @property
    def fence(self) -> int:
        """The lease's fence, with which its driver writes."""
        return self._lease.fence

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the lease during the block: by `renew_if_due`, or by the watchdog if the loop is blocked."""
        self._schedule()
        try:
            with watched(self._lease):
                self._lease.is_driving = True
                yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def renew_if_due(self, retry: StoreRetry) -> None:
        """Renew the lease if that is due.

        Raises:
            LeaseLost: another driver has taken over the run.
            StoreUnavailable: the store refuses, and the engine was asked to stop.
        """
        if self._is_due:
            self._is_due = False
            await retry.retry_until_available(self._lease.renew)

    async def end(self, *, has_crashed: bool) -> None:
        """Give the lease back, or mark it as that of a crashed driver, so that another process can take it at once."""
        with suppress(StoreUnavailable):  # the lease then runs out, or others see that its owner is dead
            if has_crashed:
                await self._lease.mark_crashed(own_text(has_crashed=True))
            else:
                await self._lease.give_back()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._lease.interval_s, self._note_due)

    def _note_due(self) -> None:
        """Report that a renewal is due, and schedule the next one now, so that it does not depend on this one."""
        self._schedule()
        self._is_due = True
        self._on_due()

"""A lease that this process holds, and when it was renewed last."""

from smithersd.engine.clock import steady_s
from smithersd.errors import LeaseLost
from smithersd.limits import LEASE_RENEWALS
from smithersd.store import Store

FIRST_FENCE = 1
"""The fence of a run's first driver; each one after it has a higher one."""

_LATE_SHARE = 0.4
"""How much of a lease has passed when its renewal, due after a third of it, is late."""


class HeldLease:
    """The lease of one run, from the moment that it was taken.

    The engine renews it on time while it drives (`is_driving`). The watchdog renews it when that is late: author code
    holds the event loop, or the run is still being taken up.
    """

    def __init__(self, store: Store, run_id: str, fence: int) -> None:
        self.run_id = run_id
        self.fence = fence
        self.lease_s = store.lease_s
        self.is_driving = False
        self._store = store
        self._is_lost = False
        self._renewed_at_s = steady_s()

    @property
    def interval_s(self) -> float:
        """The time from one renewal to the next, in seconds."""
        return self.lease_s / LEASE_RENEWALS

    @property
    def is_late(self) -> bool:
        """Whether its renewal should have come by now; that of a lost lease never comes."""
        return not self._is_lost and steady_s() - self._renewed_at_s > self.lease_s * _LATE_SHARE

    async def renew(self) -> None:
        """Give it its full time again.

        Raises:
            LeaseLost: another driver has taken the run.
            StoreUnavailable: the store refused.
        """
        asked_at_s = steady_s()
        await self._store.renew_lease(self.run_id, self.fence)
        self._renewed_at_s = asked_at_s

    def renew_from_thread(self) -> None:
        """Give it its full time again without the event loop; wait for that in the calling thread.

        Raises:
            LeaseLost: another driver has taken the run, or the lease was given back.
            StoreUnavailable: the store refused.
        """
        asked_at_s = steady_s()
        try:
            self._store.renew_lease_from_thread(self.run_id, self.fence)
        except LeaseLost:
            self._is_lost = True
            raise
        self._renewed_at_s = asked_at_s

    async def give_back(self) -> None:
        """Let others take the run at once. A lease that was lost is not touched.

        Raises:
            StoreUnavailable: the store refused; then the lease runs out, or its owner is seen to be dead.
        """
        await self._store.release_lease(self.run_id, self.fence)

    async def mark_crashed(self, owner: str) -> None:
        """Let others take the run at once, and know that its driver has died; `owner` is the driver's name, so marked.

        Raises:
            StoreUnavailable: the store refused; then the lease runs out, or its owner is seen to be dead.
        """
        await self._store.mark_crashed(self.run_id, self.fence, owner)

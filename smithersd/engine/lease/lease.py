"""A lease that this process holds, and the time of its last renewal."""

from smithersd.engine.clock import steady_s
from smithersd.errors import LeaseLost
from smithersd.limits import LEASE_RENEWALS
from smithersd.store import Store

FIRST_FENCE = 1
"""The fence of a run's first driver; every later driver has a higher one."""

_LATE_SHARE = 0.4
"""The share of a lease's duration after which its renewal, due after a third, is late."""


class HeldLease:
    """The lease of one run that this process has taken.

    The engine renews it in time while it drives the run (`is_driving`). The watchdog renews it when a renewal is late:
    when author code blocks the event loop, or while the run is still being resumed.
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
        """Whether a renewal is overdue; a lost lease is never renewed again."""
        return not self._is_lost and steady_s() - self._renewed_at_s > self.lease_s * _LATE_SHARE

    async def renew(self) -> None:
        """Renew the lease for its full duration.

        Raises:
            LeaseLost: another driver has taken over the run.
            StoreUnavailable: the store refused.
        """
        asked_at_s = steady_s()
        await self._store.renew_lease(self.run_id, self.fence)
        self._renewed_at_s = asked_at_s

    def renew_from_thread(self) -> None:
        """Renew the lease for its full duration without the event loop; block the calling thread meanwhile.

        Raises:
            LeaseLost: another driver has taken over the run, or the lease was given back.
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
        """Release the lease, so that another process can take it at once; do nothing if it was lost.

        Raises:
            StoreUnavailable: the store refused. The lease then runs out, or others see that its owner is dead.
        """
        await self._store.release_lease(self.run_id, self.fence)

    async def mark_crashed(self, owner: str) -> None:
        """End the lease as that of a crashed driver, so that another process can take it at once.

        `owner` is the text of the owner that is marked as crashed.

        Raises:
            StoreUnavailable: the store refused. The lease then runs out, or others see that its owner is dead.
        """
        await self._store.mark_crashed(self.run_id, self.fence, owner)

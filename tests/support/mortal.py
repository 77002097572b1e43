"""Crashes without processes: a store that dies at a chosen commit, as the process around it would.

The engine and the store are the real ones. What dies is the way between them: nothing reaches the database any more,
the owner's name is left on the lease, and it is that of a process which no longer exists.
"""

import json
import sqlite3
from collections.abc import Awaitable
from typing import Any, TypeVar

from smithersd.store import Store
from smithersd.store.records import Commit, Committed

T = TypeVar("T")


class Died(BaseException):  # a process that is killed hears no `except Exception`
    """The process is dead."""


class MortalStore(Store):
    """The store of one life of the driver's process: it dies before or after its n-th commit from now."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.database)
        self.commits = 0
        self.calls_under_way = 0
        self.is_dead = False
        self._dies_at: tuple[int, bool] | None = None

    def die_at(self, commit: int, *, is_written: bool) -> None:
        """Die at the n-th commit from now on (from 1), once it is durable or just before."""
        self._dies_at = (self.commits + commit, is_written)

    async def commit(self, commit: Commit) -> Committed:
        self._check_alive()
        self.commits += 1
        is_last = self._dies_at is not None and self.commits >= self._dies_at[0]
        if is_last and self._dies_at is not None and not self._dies_at[1]:
            self._die()
        committed = await self._counted(super().commit(commit))
        if is_last:
            self._die()
        return committed

    async def renew_lease(self, run_id: str, fence: int) -> None:
        self._check_alive()
        await super().renew_lease(run_id, fence)

    async def release_lease(self, run_id: str, fence: int) -> None:
        self._check_alive()
        await super().release_lease(run_id, fence)

    async def mark_crashed(self, run_id: str, fence: int, owner: str) -> None:
        self._check_alive()
        await super().mark_crashed(run_id, fence, owner)

    def renew_lease_from_thread(self, run_id: str, fence: int) -> None:
        if not self.is_dead:
            super().renew_lease_from_thread(run_id, fence)

    async def driver_requests(self, run_id: str, fence: int) -> Any:
        self._check_alive()
        return await self._counted(super().driver_requests(run_id, fence))

    async def output(self, run_id: str, node_id: str, iteration: int) -> str | None:
        self._check_alive()
        return await self._counted(super().output(run_id, node_id, iteration))

    async def _counted(self, call: Awaitable[T]) -> T:
        self.calls_under_way += 1
        try:
            return await call
        finally:
            self.calls_under_way -= 1

    def _die(self) -> None:
        self.is_dead = True
        raise Died

    def _check_alive(self) -> None:
        if self.is_dead:
            raise Died


def bury(store: Store, run_id: str) -> None:
    """Make the owner of a run's lease a process that has ended."""
    connection = sqlite3.connect(store.url.removeprefix("sqlite:///"), timeout=30)
    with connection:
        row = connection.execute("SELECT owner FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is not None and row[0] is not None:
            owner = json.loads(row[0]) | {"startTime": 1}
            connection.execute("UPDATE runs SET owner = ? WHERE run_id = ?", (json.dumps(owner), run_id))
    connection.close()

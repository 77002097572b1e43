"""Standby: a second process that waits while another one drives a run, and takes over the run if that one fails.

It takes over when the driver is known to be dead, when its lease has run out (the driver is dead, stopped or has no
connection), or when the driver gave the lease back before the run's end. A run that is suspended meanwhile stays
suspended, since somebody wanted that: the standby waits for its next driver.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from smithersd.core.log.states import RunStatus
from smithersd.engine.engine import Engine
from smithersd.engine.run_info import is_driven
from smithersd.errors import LeaseLost, RunExists, RunIsDriven, StoreUnavailable
from smithersd.limits import STANDBY_POLL_S
from smithersd.loggers import logger
from smithersd.store import Store
from smithersd.store.records import RunRow

_log = logger(__name__)


class Standby:
    """Waits until a run has no driver, and then starts or resumes it.

    `start` starts or resumes the run. `on_wait` is called with the run's row when the wait begins, and when the driver
    has changed or the run was suspended or resumed. `has_waited` says that this process has waited for the run or
    driven it before: then a suspended run is left suspended.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        start: Callable[[], Awaitable[Engine]],
        *,
        on_wait: Callable[[RunRow], None],
        has_waited: bool,
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._start = start
        self._on_wait = on_wait
        self._has_waited = has_waited
        self._waited_for: tuple[str | None, bool] | None = None
        self._problem: str | None = None

    async def start_when_free(self, is_stopped: asyncio.Event) -> Engine | None:
        """Start or resume the run as soon as no other process drives it; return None if stopped before that.

        For a run that has ended, return its engine too, which has nothing to drive.

        Raises:
            UserError: `start` raised it, and waiting cannot help.
        """
        while True:
            row = await self._look()
            if row is not None and _must_wait(row, has_waited=self._has_waited):
                self._report_wait(row)
            elif (engine := await self._started()) is not None:
                return engine
            if await _pause(_pause_s(row), is_stopped):
                return None

    async def _look(self) -> RunRow | None:
        """Return the run's row, or None if there is none or the store does not answer (`start` will report that)."""
        with suppress(StoreUnavailable):
            return await self._store.find_run(self._run_id)
        return None

    def _report_wait(self, row: RunRow) -> None:
        waited_for = row.owner, row.status is RunStatus.SUSPENDED
        if waited_for != self._waited_for:
            self._waited_for = waited_for
            self._has_waited = True
            self._on_wait(row)

    async def _started(self) -> Engine | None:
        """Start or resume the run; return None if another process did so first, or the store refused."""
        try:
            return await self._start()
        except (RunIsDriven, RunExists, LeaseLost):
            return None
        except StoreUnavailable as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.warning("%s: the store is not available, the standby waits: %s", self._run_id, error)
            return None


def _must_wait(row: RunRow, *, has_waited: bool) -> bool:
    return is_driven(row) or (has_waited and row.status is RunStatus.SUSPENDED)


def _pause_s(row: RunRow | None) -> float:
    """Return the time until the next look, in seconds: until the lease runs out, if that comes before the next poll."""
    if row is None or row.lease_expires_at_ms is None or not row.is_leased:
        return STANDBY_POLL_S
    return min(STANDBY_POLL_S, (row.lease_expires_at_ms - row.store_now_ms) / 1000)


async def _pause(pause_s: float, is_stopped: asyncio.Event) -> bool:
    """Sleep for `rest_s` or until stopped; return whether stopped."""
    with suppress(TimeoutError):
        async with asyncio.timeout(pause_s):
            await is_stopped.wait()
    return is_stopped.is_set()

"""Standing by: one process drives a run, another one waits beside it and takes it up when it must.

That is so when the driver is known dead, when its lease has run out (it is dead, stopped or cut off), or when it let go
of the run before its end. A run that was suspended while somebody stood by stays so: whoever did that meant it, and
whoever resumes it is waited for again.
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
    """A process that waits beside a run's driver.

    `start` starts or resumes the run. `on_wait` is called with the run's row when the waiting begins, and when the
    driver or the run's suspension has changed. `has_waited` says that this process has waited or driven before: a run
    that is suspended by now is left so.
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
        self._waits_for: tuple[str | None, bool] | None = None
        self._problem: str | None = None

    async def take_up(self, is_stopped: asyncio.Event) -> Engine | None:
        """Start or resume the run as soon as it has no other driver; return None if stopped before that.

        A run that has ended is resumed too: there is nothing to drive, and it tells how it ended.

        Raises:
            UserError: what `start` raises that waiting does not mend.
        """
        while True:
            row = await self._look()
            if row is not None and _is_in_hand(row, has_waited=self._has_waited):
                self._wait_for(row)
            elif (engine := await self._started()) is not None:
                return engine
            if await _rest(_rest_s(row), is_stopped):
                return None

    async def _look(self) -> RunRow | None:
        """Read the run's row, None where there is none; where the store does not answer `start` finds out."""
        with suppress(StoreUnavailable):
            return await self._store.find_run(self._run_id)
        return None

    def _wait_for(self, row: RunRow) -> None:
        waits_for = row.owner, row.status is RunStatus.SUSPENDED
        if waits_for != self._waits_for:
            self._waits_for = waits_for
            self._has_waited = True
            self._on_wait(row)

    async def _started(self) -> Engine | None:
        """Take the run, unless another process was quicker or the store refuses, which is said once."""
        try:
            return await self._start()
        except (RunIsDriven, RunExists, LeaseLost):
            return None
        except StoreUnavailable as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.warning("%s: the store refuses, the standby waits: %s", self._run_id, error)
            return None


def _is_in_hand(row: RunRow, *, has_waited: bool) -> bool:
    return is_driven(row) or (has_waited and row.status is RunStatus.SUSPENDED)


def _rest_s(row: RunRow | None) -> float:
    """Until the lease runs out, if that comes before the next look."""
    if row is None or row.lease_expires_at_ms is None or not row.is_leased:
        return STANDBY_POLL_S
    return min(STANDBY_POLL_S, (row.lease_expires_at_ms - row.store_now_ms) / 1000)


async def _rest(rest_s: float, is_stopped: asyncio.Event) -> bool:
    """Let some time pass; return whether the wait was stopped."""
    with suppress(TimeoutError):
        async with asyncio.timeout(rest_s):
            await is_stopped.wait()
    return is_stopped.is_set()

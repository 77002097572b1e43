"""Standing by: one process drives a run, another one waits beside it and takes it up when it must.

That is so when the driver is known dead, when its lease has run out (it is dead, stopped or cut off), or when it let go
of the run before its end. A run that was suspended while somebody stood by stays so: whoever did that meant it, and
whoever resumes it is waited for again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from smithersd.config import STANDBY_POLL_S
from smithersd.core.states import RunStatus
from smithersd.engine.engine import Engine
from smithersd.engine.undriven import is_driven
from smithersd.errors import LeaseLost, RunExists, RunIsDriven, StoreUnavailable
from smithersd.store import Store
from smithersd.store.records import RunRow

_log = logging.getLogger(__name__)


async def stand_by(
    store: Store,
    run_id: str,
    prepare: Callable[[], Awaitable[Engine]],
    *,
    on_wait: Callable[[RunRow], None],
    is_stopped: asyncio.Event,
) -> Engine | None:
    """Begin or take up the run by `prepare` as soon as it has no other driver; None when stopped before that.

    A run that has ended is prepared too: there is nothing to drive, and it tells how it ended. `on_wait` is told the
    run's row when the waiting begins, and when another driver or nobody has the run in hand.

    Raises:
        UserError: what `prepare` raises that waiting does not mend.
    """
    waited_for: tuple[object, ...] | None = None
    while True:
        row = await _look(store, run_id)
        if row is None or not _is_in_hand(row, has_waited=waited_for is not None):
            engine = await _prepared(run_id, prepare)
            if engine is not None:
                return engine
        elif waited_for != (row.owner, row.status is RunStatus.SUSPENDED):
            waited_for = row.owner, row.status is RunStatus.SUSPENDED
            on_wait(row)
        if await _rest(_rest_s(row), is_stopped):
            return None


async def _look(store: Store, run_id: str) -> RunRow | None:
    """Read the run's row, None where there is none; where the store does not answer `prepare` finds out."""
    with suppress(StoreUnavailable):
        return await store.find_run(run_id)
    return None


async def _prepared(run_id: str, prepare: Callable[[], Awaitable[Engine]]) -> Engine | None:
    """Take the run, unless another process was quicker or the store refuses."""
    try:
        return await prepare()
    except (RunIsDriven, RunExists, LeaseLost):
        return None
    except StoreUnavailable as error:
        _log.warning("%s: the store refuses, the standby waits: %s", run_id, error)
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

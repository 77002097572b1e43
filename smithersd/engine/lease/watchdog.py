"""A thread for each event loop that drives runs: it reports code that blocks the loop, and renews leases meanwhile.

An author's coroutine that computes or sleeps without `await` stops everything else in its loop: the server, the engine,
and with it the renewal of the lease. The process is alive all the same, so its runs must not be taken over, and the
log should name the line that blocks a server that does not answer.

The thread schedules a callback in the loop several times a second. If the callback has not run by the next time, the
loop is blocked. A C function that also holds the interpreter's lock stops this thread too, which cannot be prevented.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from smithersd.engine.clock import steady_s
from smithersd.engine.lease.held_loop import HeldLoopReport, loop_holder
from smithersd.engine.lease.lease import HeldLease
from smithersd.errors import LeaseLost, StoreUnavailable
from smithersd.limits import LOOP_HELD_S, LOOP_LOOK_S
from smithersd.loggers import logger

_log = logger(__name__)

_CHECKS_PER_RENEWAL = 2

_watchdogs: dict[asyncio.AbstractEventLoop, "_Watchdog"] = {}


@contextmanager
def watched(lease: HeldLease) -> Iterator[None]:
    """Watch the running loop, and keep the lease, during the block.

    A loop has one watchdog thread, however many runs it drives; the thread ends with the last of them.
    """
    loop = asyncio.get_running_loop()
    watchdog = _watchdogs.get(loop)
    if watchdog is None:
        watchdog = _watchdogs[loop] = _Watchdog(loop)
    watchdog.add(lease)
    try:
        yield
    finally:
        if not watchdog.discard(lease):
            del _watchdogs[loop]


class _Watchdog:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._leases: tuple[HeldLease, ...] = ()
        self._asked_at_s: float | None = None
        self._held_s = 0.0
        self._report = HeldLoopReport()
        self._is_changed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="smithersd-watchdog", daemon=True)

    def add(self, lease: HeldLease) -> None:
        """Add a lease to keep."""
        self._leases = (*self._leases, lease)
        if len(self._leases) == 1:
            self._thread.start()
        self._is_changed.set()

    def discard(self, lease: HeldLease) -> bool:
        """Remove a lease; return whether there are others. The thread ends when there are none."""
        self._leases = tuple(other for other in self._leases if other is not lease)
        self._is_changed.set()
        return bool(self._leases)

    def _watch(self) -> None:
        while leases := self._leases:
            try:
                self._check(leases)
            except RuntimeError:  # the loop is closed
                return
            if self._is_changed.wait(_pause_s(leases)):
                self._is_changed.clear()

    def _check(self, leases: tuple[HeldLease, ...]) -> None:
        asked_at_s = self._asked_at_s
        is_held = asked_at_s is not None
        if asked_at_s is None:
            self._report.end(self._held_s)
            self._asked_at_s = steady_s()
            self._loop.call_soon_threadsafe(self._on_callback)
        elif (held_s := steady_s() - asked_at_s) >= LOOP_HELD_S:
            self._report.warn(held_s, loop_holder(self._loop, self._loop_thread))
        for lease in leases:
            if (is_held or not lease.is_driving) and lease.is_late:
                _renew(lease)

    def _on_callback(self) -> None:
        """Record, as a callback in the loop, that the loop is not blocked."""
        if self._asked_at_s is not None:
            self._held_s = steady_s() - self._asked_at_s
        self._asked_at_s = None


def _renew(lease: HeldLease) -> None:
    try:
        lease.renew_from_thread()
    except LeaseLost:
        _log.debug("%s: the lease was lost, as the driver will find out", lease.run_id)
    except StoreUnavailable as error:
        _log.debug("%s: the lease cannot be renewed at present: %s", lease.run_id, error)


def _pause_s(leases: tuple[HeldLease, ...]) -> float:
    return min(LOOP_LOOK_S, *(lease.interval_s / _CHECKS_PER_RENEWAL for lease in leases))

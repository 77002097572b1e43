"""Limit how often something is reported: the latest value counts, and the last one is never lost."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from smithersd.executors.loop_bridge import LoopBridge

_NOTHING: Any = object()


class Throttle:
    """Delivers the first value at once, and from then on the latest one every `interval_s` seconds."""

    __slots__ = ("_bridge", "_deliver", "_interval_s", "_is_scheduled", "_latest", "_lock", "_timer")

    def __init__(self, bridge: LoopBridge, interval_s: float, deliver: Callable[[Any], None]) -> None:
        self._bridge = bridge
        self._interval_s = interval_s
        self._deliver = deliver
        self._lock = threading.RLock()  # reentrant: a finalizer may report during a report
        self._latest = _NOTHING
        self._is_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, value: Any) -> None:
        """Deliver a value, unless a later one replaces it before; from any thread, and cheap."""
        with self._lock:
            self._latest = value
            if self._is_scheduled:
                return
            self._is_scheduled = True
        self._bridge.run_in_loop(self._tick)

    def close(self) -> None:
        """Deliver the value that is left, if any, as the last one; in the loop's thread."""
        with self._lock:
            value, self._latest = self._latest, _NOTHING
        if self._timer is not None:
            self._timer.cancel()
        if value is not _NOTHING:
            self._deliver(value)

    def _tick(self) -> None:
        with self._lock:
            value, self._latest = self._latest, _NOTHING
            self._is_scheduled = value is not _NOTHING
        if value is not _NOTHING:
            self._timer = self._bridge.later(self._interval_s, self._tick)
            self._deliver(value)

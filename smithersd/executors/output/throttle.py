"""At most one report in a while: the latest wins, and none is lost that nothing replaced."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from smithersd.executors.loop_bridge import LoopBridge

_NOTHING: Any = object()


class Throttle:
    """Hands on the first value at once, and from then on the latest one every `interval_s`."""

    __slots__ = ("_bridge", "_deliver", "_interval_s", "_is_under_way", "_latest", "_lock", "_timer")

    def __init__(self, bridge: LoopBridge, interval_s: float, deliver: Callable[[Any], None]) -> None:
        self._bridge = bridge
        self._interval_s = interval_s
        self._deliver = deliver
        self._lock = threading.RLock()  # reentrant, as a finalizer may report amid a report
        self._latest = _NOTHING
        self._is_under_way = False
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, value: Any) -> None:
        """Give a value to be handed on; from any thread, and cheap however often it is called."""
        with self._lock:
            self._latest = value
            if self._is_under_way:
                return
            self._is_under_way = True
        self._bridge.run_in_loop(self._tick)

    def close(self) -> None:
        """Hand on what is left, and no more after it; in the loop's thread."""
        with self._lock:
            value, self._latest = self._latest, _NOTHING
        if self._timer is not None:
            self._timer.cancel()
        if value is not _NOTHING:
            self._deliver(value)

    def _tick(self) -> None:
        with self._lock:
            value, self._latest = self._latest, _NOTHING
            self._is_under_way = value is not _NOTHING
        if value is not _NOTHING:
            self._timer = self._bridge.later(self._interval_s, self._tick)
            self._deliver(value)

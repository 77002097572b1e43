"""Time as the engine sees it: the real clock, and one that jumps over waits for tests.

Nobody else in the program asks what time it is.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from smithersd.limits import CLOCK_CHECK_S

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that nobody puts; where there is such a one it goes on while the machine sleeps."""


def steady_s() -> float:
    """Read a clock that nobody puts, in seconds since some instant: for what time has passed in this process."""
    return time.clock_gettime(_STEADY)


class Alarm(Protocol):
    """Wakes somebody at a time that may be moved."""

    def set(self, at_ms: int | None, *, may_jump: bool) -> None:
        """Ring at `at_ms` (None: never). `may_jump` says that nothing runs that needs real time."""

    def close(self) -> None:
        """Never ring again."""


class Clock(Protocol):
    """Milliseconds since the epoch, and alarms by them."""

    def now_ms(self) -> int:
        """Return the time."""

    def steady_ms(self) -> int:
        """Read a clock that nobody puts."""

    def wall_ms(self) -> int:
        """Read the clock that people see, which may be put forward and back."""

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        """Return an alarm that calls `ring` in the event loop's thread."""


class SystemClock:
    """The machine's clock, followed forward only.

    Due times are told by it: if it were followed when somebody puts it back by an hour, a retry that is due in a
    second would wait for that hour too.
    """

    def __init__(self) -> None:
        self._ahead_ns = self._measure_ns()

    def now_ms(self) -> int:
        """Return the time; for as long as this object lives it never goes back."""
        self._ahead_ns = max(self._ahead_ns, self._measure_ns())
        return (time.clock_gettime_ns(_STEADY) + self._ahead_ns) // 1_000_000

    def steady_ms(self) -> int:
        """Read a clock that nobody puts."""
        return time.clock_gettime_ns(_STEADY) // 1_000_000

    def wall_ms(self) -> int:
        """Read the machine's clock."""
        return time.time_ns() // 1_000_000

    @staticmethod
    def _measure_ns() -> int:
        """How far the machine's clock is ahead of the steady one; whatever time passes in between only lessens it."""
        return time.time_ns() - time.clock_gettime_ns(_STEADY)

    def alarm(self, ring: Callable[[], None]) -> "TimerAlarm":
        """Return an alarm on the running loop."""
        return TimerAlarm(self, ring)


class TimerAlarm:
    """An alarm on the event loop's timer; set again to the same time it costs nothing."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._at_ms: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at_ms: int | None, *, may_jump: bool) -> None:  # noqa: ARG002 - real time does not jump
        """Ring at `at_ms`, None for never."""
        if at_ms == self._at_ms:
            return
        self.close()
        self._at_ms = at_ms
        if at_ms is not None:
            self._wait(at_ms)

    def close(self) -> None:
        """Never ring again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._at_ms = None

    def _wait(self, at_ms: int) -> None:
        """Look again now and then: the loop's timer knows nothing of a clock that is put, or of a sleeping machine."""
        delay_s = min(max(0, at_ms - self._clock.now_ms()) / 1000, CLOCK_CHECK_S)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def _on_time(self) -> None:
        if self._at_ms is not None and self._clock.now_ms() < self._at_ms:
            self._wait(self._at_ms)
            return
        self._timer = self._at_ms = None
        self._ring()


class JumpingClock:
    """A clock that jumps over waits: as soon as nothing runs, the next due time is now.

    While something runs its time passes like the machine's. It may also be moved by hand.
    """

    def __init__(self) -> None:
        self._ahead_ms = 0

    def now_ms(self) -> int:
        """Return the time: the machine's, plus all jumps so far."""
        return time.time_ns() // 1_000_000 + self._ahead_ms

    def steady_ms(self) -> int:
        """Return the time: who jumps does so on every clock."""
        return self.now_ms()

    def wall_ms(self) -> int:
        """Return the time."""
        return self.now_ms()

    def jump_to(self, at_ms: int) -> None:
        """Go forward to a time; a time that has passed changes nothing."""
        self._ahead_ms += max(0, at_ms - self.now_ms())

    def alarm(self, ring: Callable[[], None]) -> "JumpingAlarm":
        """Return an alarm on the running loop."""
        return JumpingAlarm(self, ring)


class JumpingAlarm:
    """An alarm that rings at once where it may jump."""

    def __init__(self, clock: JumpingClock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._timer = TimerAlarm(clock, ring)
        self._jump: asyncio.Handle | None = None

    def set(self, at_ms: int | None, *, may_jump: bool) -> None:
        """Ring at `at_ms`, or jump there now where that is allowed."""
        self.close()
        if at_ms is not None and may_jump:
            self._jump = asyncio.get_running_loop().call_soon(self._jump_to, at_ms)
        else:
            self._timer.set(at_ms, may_jump=False)

    def close(self) -> None:
        """Never ring again."""
        self._timer.close()
        if self._jump is not None:
            self._jump.cancel()
            self._jump = None

    def _jump_to(self, at_ms: int) -> None:
        self._clock.jump_to(at_ms)
        self._ring()

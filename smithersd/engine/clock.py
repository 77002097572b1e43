"""The engine's time: the machine's clock, and one that skips waits for tests.

Other modules take the time from a `Clock`, never from the system.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from smithersd.limits import CLOCK_CHECK_S

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that nobody can set. Linux has one that also counts while the machine sleeps."""


def steady_s() -> float:
    """Return seconds since an arbitrary instant, by a clock that nobody can set; for measuring durations."""
    return time.clock_gettime(_STEADY)


class Alarm(Protocol):
    """Calls a function at a time that can be changed."""

    def set(self, at_ms: int | None, *, may_jump: bool) -> None:
        """Ring at `at_ms`, None for never. With `may_jump` nothing runs that needs real time, so a test may skip it."""

    def close(self) -> None:
        """Cancel the alarm."""


class Clock(Protocol):
    """The time in milliseconds since the epoch, and alarms that go by it."""

    def now_ms(self) -> int:
        """Return the time."""

    def steady_ms(self) -> int:
        """Return the milliseconds since a fixed but arbitrary instant, by a clock that nobody can set."""

    def wall_ms(self) -> int:
        """Return the time of the system clock, which can be set forward and back."""

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        """Return an alarm that calls `ring` in the event loop's thread."""


class SystemClock:
    """The system clock, but never going back.

    Due times go by it: if it went back with a system clock that is set back by an hour, a retry that is due in a second
    would be due in an hour and a second.
    """

    def __init__(self) -> None:
        self._ahead_ns = self._measure_ns()

    def now_ms(self) -> int:
        """Return the time, which never goes back during the life of this object."""
        self._ahead_ns = max(self._ahead_ns, self._measure_ns())
        return (time.clock_gettime_ns(_STEADY) + self._ahead_ns) // 1_000_000

    def steady_ms(self) -> int:
        """Return the milliseconds since a fixed but arbitrary instant, by a clock that nobody can set."""
        return time.clock_gettime_ns(_STEADY) // 1_000_000

    def wall_ms(self) -> int:
        """Return the time of the system clock."""
        return time.time_ns() // 1_000_000

    @staticmethod
    def _measure_ns() -> int:
        """Return how far the system clock is ahead of the steady one; a delay between both reads makes it less."""
        return time.time_ns() - time.clock_gettime_ns(_STEADY)

    def alarm(self, ring: Callable[[], None]) -> "TimerAlarm":
        """Return an alarm on the running loop."""
        return TimerAlarm(self, ring)


class TimerAlarm:
    """An alarm on the event loop's timer. Setting it again to the same time costs nothing."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._at_ms: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at_ms: int | None, *, may_jump: bool) -> None:  # noqa: ARG002 - real time does not jump
        """Ring at `at_ms`, None for never; `may_jump` has no effect."""
        if at_ms == self._at_ms:
            return
        self.close()
        self._at_ms = at_ms
        if at_ms is not None:
            self._wait(at_ms)

    def close(self) -> None:
        """Cancel the alarm."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._at_ms = None

    def _wait(self, at_ms: int) -> None:
        """Sleep towards `at_ms` in short steps: the loop's timer ignores a clock that is set, or a sleeping machine."""
        delay_s = min(max(0, at_ms - self._clock.now_ms()) / 1000, CLOCK_CHECK_S)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def _on_time(self) -> None:
        if self._at_ms is not None and self._clock.now_ms() < self._at_ms:
            self._wait(self._at_ms)
            return
        self._timer = self._at_ms = None
        self._ring()


class JumpingClock:
    """A clock for tests that skips waits: as soon as nothing runs, it jumps to the next due time.

    While something runs, its time passes as usual. `jump_to` moves it explicitly.
    """

    def __init__(self) -> None:
        self._ahead_ms = 0
        self._holds = 0
        self._held: list[Callable[[], None]] = []

    def hold(self) -> None:
        """Jump no more until `release` is called as often as this."""
        self._holds += 1

    def release(self) -> None:
        """End one `hold`; after the last one, jump where that was to be."""
        self._holds -= 1
        if not self._holds:
            held, self._held = self._held, []
            for jump in held:
                jump()

    def when_not_held(self, jump: Callable[[], None]) -> None:
        """Call `jump` now, or as soon as the clock is not held."""
        if self._holds:
            self._held.append(jump)
        else:
            jump()

    def now_ms(self) -> int:
        """Return the system clock's time plus all jumps so far."""
        return time.time_ns() // 1_000_000 + self._ahead_ms

    def steady_ms(self) -> int:
        """Return the same as `now_ms`: a jump moves every clock."""
        return self.now_ms()

    def wall_ms(self) -> int:
        """Return the same as `now_ms`: a jump moves every clock."""
        return self.now_ms()

    def jump_to(self, at_ms: int) -> None:
        """Move forward to `at_ms`; do nothing if that time has passed."""
        self._ahead_ms += max(0, at_ms - self.now_ms())

    def alarm(self, ring: Callable[[], None]) -> "JumpingAlarm":
        """Return an alarm on the running loop."""
        return JumpingAlarm(self, ring)


class JumpingAlarm:
    """An alarm that moves its clock to the due time, and rings at once, where it may jump."""

    def __init__(self, clock: JumpingClock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._timer = TimerAlarm(clock, ring)
        self._jump: asyncio.Handle | None = None

    def set(self, at_ms: int | None, *, may_jump: bool) -> None:
        """Ring at `at_ms`, None for never; with `may_jump` move the clock there and ring now."""
        self.close()
        if at_ms is not None and may_jump:
            self._jump = asyncio.get_running_loop().call_soon(self._jump_to, at_ms)
        else:
            self._timer.set(at_ms, may_jump=False)

    def close(self) -> None:
        """Cancel the alarm."""
        self._timer.close()
        if self._jump is not None:
            self._jump.cancel()
            self._jump = None

    def _jump_to(self, at_ms: int) -> None:
        handle = self._jump
        self._clock.when_not_held(lambda: self._jump_now(at_ms) if self._jump is handle else None)

    def _jump_now(self, at_ms: int) -> None:
        self._clock.jump_to(at_ms)
        self._ring()

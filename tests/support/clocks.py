"""A clock that stands still until it is moved: histories on it are the same each time."""

from collections.abc import Callable


class StillClock:
    """Time as a test tells it; alarms ring when their time is reached."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._alarms: list[StillAlarm] = []

    def now_ms(self) -> int:
        """Return the time."""
        return self._now_ms

    def steady_ms(self) -> int:
        """Return the time."""
        return self._now_ms

    def wall_ms(self) -> int:
        """Return the time."""
        return self._now_ms

    def alarm(self, ring: Callable[[], None]) -> "StillAlarm":
        """Return an alarm that rings while the time is moved."""
        alarm = StillAlarm(self, ring)
        self._alarms.append(alarm)
        return alarm

    @property
    def next_due_ms(self) -> int | None:
        """When the next alarm rings."""
        return min((alarm.at_ms for alarm in self._alarms if alarm.at_ms is not None), default=None)

    def pass_ms(self, duration_ms: int) -> None:
        """Let time pass."""
        self._now_ms += duration_ms
        self.ring()

    def jump(self) -> None:
        """Go to the time of the next alarm, if there is any."""
        self._now_ms = max(self._now_ms, self.next_due_ms or 0)
        self.ring()

    def ring_all(self) -> None:
        """Ring every alarm that is set, as one does that looks whether somebody has put the clock."""
        for alarm in list(self._alarms):
            alarm.ring_if_due(alarm.at_ms or 0)

    def ring(self) -> None:
        """Ring what is due."""
        for alarm in list(self._alarms):
            alarm.ring_if_due(self._now_ms)


class StillAlarm:
    """An alarm of a `StillClock`."""

    def __init__(self, clock: StillClock, ring: Callable[[], None]) -> None:
        self.at_ms: int | None = None
        self._clock = clock
        self._ring = ring

    def set(self, at_ms: int | None, *, may_jump: bool) -> None:  # noqa: ARG002 - the protocol
        """Ring at `at_ms`; time never jumps by itself."""
        self.at_ms = at_ms
        self.ring_if_due(self._clock.now_ms())

    def close(self) -> None:
        """Never ring again."""
        self.at_ms = None

    def ring_if_due(self, now_ms: int) -> None:
        """Ring once if the time has come."""
        if self.at_ms is not None and self.at_ms <= now_ms:
            self.at_ms = None
            self._ring()

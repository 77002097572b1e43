"""Deadline: when a run has taken longer than its workflow's timeout."""

from smithersd.core.flow.timers import Clocks


class Deadline:
    """The end of a run's timeout, if it has one.

    Like the span of a timer, what is left of it is measured by the steady clock once a process drives the run.
    """

    def __init__(self, clocks: Clocks | None) -> None:
        self._clocks = clocks
        self._end_ms: int | None = None

    def set(self, at_ms: int | None, now_ms: int) -> None:
        """Begin to measure the time that is left until `at_ms`; None: there is no deadline."""
        self._end_ms = None if at_ms is None else self._steady_ms(now_ms) + at_ms - now_ms

    def at_ms(self, now_ms: int) -> int | None:
        """Return when the deadline is, by the clock of `now_ms`; None if there is none."""
        return None if self._end_ms is None else now_ms + self._end_ms - self._steady_ms(now_ms)

    def has_passed(self, now_ms: int) -> bool:
        """Return whether the deadline is now or was before."""
        at_ms = self.at_ms(now_ms)
        return at_ms is not None and at_ms <= now_ms

    def _steady_ms(self, now_ms: int) -> int:
        return now_ms if self._clocks is None else self._clocks.steady_ms()

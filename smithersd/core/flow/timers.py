"""Timers: the places that wait for a span of time or for a date, each by its own clock."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Protocol

from smithersd.core.kinds.node_kind import Due
from smithersd.core.log.records import NodeKey
from smithersd.core.tree.places import Order, Place


class Clocks(Protocol):
    """Two clocks beside the one of the events' timestamps."""

    def steady_ms(self) -> int:
        """Return a time in milliseconds by a clock that nobody can set."""

    def wall_ms(self) -> int:
        """Return the time in milliseconds since the epoch by the machine's clock, which somebody may set."""


class Timers:
    """The places that wait for a span of time, and those that wait for a date.

    A span is measured by the steady clock from the first wait in this process; a date by the machine's clock.
    """

    def __init__(self, clocks: Clocks | None) -> None:
        self._clocks = clocks
        self._spans: list[tuple[int, Order, Place]] = []
        self._dates: list[tuple[int, Order, Place]] = []
        self._span_ends: dict[NodeKey, int] = {}

    def wait(self, place: Place, due: Due, now_ms: int) -> None:
        """Let a place wait until it is due."""
        if due.is_by_wall_clock:
            heappush(self._dates, (due.at_ms, place.order, place))
        else:
            end_ms = self._span_ends.setdefault(place.key, self._steady_ms(now_ms) + due.at_ms - now_ms)
            heappush(self._spans, (end_ms, place.order, place))

    def late_ms(self, due: Due, now_ms: int) -> int | None:
        """Return by how many milliseconds a wait that begins now is overdue; None if it is not due yet."""
        late_ms = (self._wall_ms(now_ms) if due.is_by_wall_clock else now_ms) - due.at_ms
        return late_ms if late_ms >= 0 else None

    def take_due(self, now_ms: int) -> Iterator[tuple[Place, int]]:
        """Remove and yield each place that is due, and by how many milliseconds it is late."""
        for waiting, at_ms in ((self._spans, self._steady_ms(now_ms)), (self._dates, self._wall_ms(now_ms))):
            while waiting and waiting[0][0] <= at_ms:
                due_ms, _, place = heappop(waiting)
                self._span_ends.pop(place.key, None)
                yield place, at_ms - due_ms

    def next_due_ms(self, now_ms: int) -> int | None:
        """Return when the next place is due, by the clock of `now_ms`; None if none waits."""
        rests = [
            waiting[0][0] - at_ms
            for waiting, at_ms in ((self._spans, self._steady_ms(now_ms)), (self._dates, self._wall_ms(now_ms)))
            if waiting
        ]
        return now_ms + min(rests) if rests else None

    def clear(self) -> None:
        """Forget the places of this plan; in the next one, spans continue where they are."""
        self._spans.clear()
        self._dates.clear()

    def _steady_ms(self, now_ms: int) -> int:
        return now_ms if self._clocks is None else self._clocks.steady_ms()

    def _wall_ms(self, now_ms: int) -> int:
        return now_ms if self._clocks is None else self._clocks.wall_ms()

"""Timers: the places that wait for a time, by one clock or another."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Protocol

from smithersd.core.kinds.node_kind import Due
from smithersd.core.log.records import NodeKey
from smithersd.core.tree.places import Order, Place


class Clocks(Protocol):
    """Two clocks beside the one that events are stamped by."""

    def steady_ms(self) -> int:
        """Read a clock that nobody puts."""

    def wall_ms(self) -> int:
        """Read the machine's clock, which somebody may put forward and back."""


class Timers:
    """Who waits for a span of time, and who until a date.

    A span goes on by the steady clock from when it was first waited for in this process; a date is met by the machine's
    clock.
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
        """Return by how much somebody who begins to wait now is late, None for who is not."""
        late_ms = (self._wall_ms(now_ms) if due.is_by_wall_clock else now_ms) - due.at_ms
        return late_ms if late_ms >= 0 else None

    def take_due(self, now_ms: int) -> Iterator[tuple[Place, int]]:
        """Yield each place whose time has come, and by how many milliseconds it is late."""
        for waiting, at_ms in ((self._spans, self._steady_ms(now_ms)), (self._dates, self._wall_ms(now_ms))):
            while waiting and waiting[0][0] <= at_ms:
                due_ms, _, place = heappop(waiting)
                self._span_ends.pop(place.key, None)
                yield place, at_ms - due_ms

    def next_due_ms(self, now_ms: int) -> int | None:
        """Return when the next place is due, as `now_ms` tells time; None when none waits."""
        rests = [
            waiting[0][0] - at_ms
            for waiting, at_ms in ((self._spans, self._steady_ms(now_ms)), (self._dates, self._wall_ms(now_ms)))
            if waiting
        ]
        return now_ms + min(rests) if rests else None

    def clear(self) -> None:
        """Nobody waits any more in this plan; in the next one spans go on from where they are."""
        self._spans.clear()
        self._dates.clear()

    def _steady_ms(self, now_ms: int) -> int:
        return now_ms if self._clocks is None else self._clocks.steady_ms()

    def _wall_ms(self, now_ms: int) -> int:
        return now_ms if self._clocks is None else self._clocks.wall_ms()

"""Slots: which ready places may start now, in tree order, within the limits of the run and of each Parallel."""

from collections.abc import Iterator
from heapq import heappop, heappush

from smithersd.core.log.records import NodeKey
from smithersd.core.tree.places import Cap, Order, Place


class Slots:
    """The ready and running places. One that a full Parallel holds back is parked there, so nothing is rescanned."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ready: list[tuple[Order, Place]] = []
        self._parked = 0
        self.running: dict[NodeKey, Place] = {}

    @property
    def is_busy(self) -> bool:
        """Whether any place is running or ready to start."""
        return bool(self.running or self._ready or self._parked)

    @property
    def ready_count(self) -> int:
        """How many places are ready and wait for a slot."""
        return len(self._ready) + self._parked

    def offer(self, place: Place) -> None:
        """Add a place that is ready to start."""
        heappush(self._ready, (place.order, place))

    def admit(self) -> Iterator[Place]:
        """Yield the places that may start now; each counts as running from then on."""
        while self._ready and len(self.running) < self._limit:
            _, place = heappop(self._ready)
            full = next((cap for cap in reversed(place.caps) if cap.is_full), None)
            if full is not None:
                self._park(place, full)
                continue
            self._occupy(place)
            yield place

    def release(self, key: NodeKey) -> None:
        """Free the slots of an attempt that has ended."""
        for cap in self.running.pop(key).caps:
            cap.used -= 1
            self._unpark(cap)

    def replan(self) -> None:
        """Change to a new plan: no place is ready, and running ones count in no Parallel until they are adopted."""
        self._ready.clear()
        self._parked = 0
        for place in self.running.values():
            place.caps = ()

    def adopt(self, place: Place) -> None:
        """Replace the place of a running attempt by that of the new plan."""
        self._occupy(place)

    def _occupy(self, place: Place) -> None:
        self.running[place.key] = place
        for cap in place.caps:
            cap.used += 1

    def _park(self, place: Place, cap: Cap) -> None:
        heappush(cap.parked, (place.order, place))
        self._parked += 1
        for other in place.caps:
            if other is not cap and not other.is_full:
                self._unpark(other)

    def _unpark(self, cap: Cap) -> None:
        if cap.parked:
            heappush(self._ready, heappop(cap.parked))
            self._parked -= 1

"""Listeners: the places that wait for signals, and which of them is the next to take one."""

from collections.abc import Callable
from heapq import heappop, heappush

from smithersd.core.log.signals import SignalAddress
from smithersd.core.tree.places import Order, Place


class Listeners:
    """The places that wait for signals by what they wait for, the one that has waited longest first.

    `changed` are the addresses at which a place or a signal may have come since they were last looked at.
    """

    def __init__(self) -> None:
        self._waiting: dict[SignalAddress, list[tuple[int, Order, Place]]] = {}
        self.changed: dict[SignalAddress, None] = {}

    def add(self, place: Place, address: SignalAddress, since_ms: int) -> None:
        """Let a place wait, as it has done since a time."""
        heappush(self._waiting.setdefault(address, []), (since_ms, place.order, place))
        self.changed[address] = None

    def first(self, address: SignalAddress, is_waiting: Callable[[Place], bool]) -> Place | None:
        """Return the place that has waited longest and still waits, None if there is none."""
        waiting = self._waiting.get(address, [])
        while waiting and not is_waiting(waiting[0][-1]):
            heappop(waiting)
        if not waiting:
            self._waiting.pop(address, None)
            return None
        return waiting[0][-1]

    def clear(self) -> None:
        """Forget all places: those of the next plan wait anew."""
        self._waiting.clear()

"""The signals that a run keeps: received, and taken by no node yet."""

from collections import deque
from dataclasses import dataclass, field

from smithersd.core.log.events import NodeWaitingEvent, SignalReceived

SignalAddress = tuple[str, str | None]
"""The name of a signal and its correlation id: a node that waits for just these takes it."""


def address_of(event: SignalReceived | NodeWaitingEvent) -> SignalAddress:
    """Return where a signal goes, or what a node waits for."""
    return (event.name, event.correlation_id)


@dataclass(frozen=True, slots=True)
class KeptSignal:
    """A signal and the seq of the event with which it was received."""

    seq: int
    signal: SignalReceived


@dataclass(slots=True)
class KeptSignals:
    """All kept signals of a run, those of each address in the order in which they were received."""

    count: int = 0
    by_address: dict[SignalAddress, deque[KeptSignal]] = field(default_factory=dict)

    def keep(self, seq: int, signal: SignalReceived) -> None:
        """Keep a signal until it is taken."""
        self.by_address.setdefault(address_of(signal), deque()).append(KeptSignal(seq, signal))
        self.count += 1

    def first(self, address: SignalAddress) -> KeptSignal | None:
        """Return the oldest signal of an address, None where there is none."""
        kept = self.by_address.get(address)
        return kept[0] if kept else None

    def take_first(self, address: SignalAddress) -> None:
        """Keep the oldest signal of an address no longer."""
        kept = self.by_address[address]
        kept.popleft()
        self.count -= 1
        if not kept:
            del self.by_address[address]

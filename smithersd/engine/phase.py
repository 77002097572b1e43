"""Phase: the phases of an engine, and the legal moves between them."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """The phase of an engine.

    ```text
    PREPARED ──> STARTED ──> DRIVING ──> SUSPENDING ──> CANCELLING
       │            ├───────────┼────────────^              ^│
       │            └───────────┴───────────────────────────┘│
       │            │           │            │               │
       └────────────┴───────────┴────────────┴───────────────┴──> CLOSED

    ENDED
    ```

    A cancellation or a suspension may be requested before `drive` is called. A cancellation wins over a suspension.
    """

    PREPARED = "prepared"
    """Nothing of the run has been written yet."""
    STARTED = "started"
    """The engine holds the run's lease; the first step is durable when `create` or `resume` has returned."""
    DRIVING = "driving"
    """Attempts run."""
    SUSPENDING = "suspending"
    """A suspension was requested."""
    CANCELLING = "cancelling"
    """A cancellation was requested."""
    CLOSED = "closed"
    """The engine has stopped and given the lease back."""
    ENDED = "ended"
    """The run had already ended when it was opened: it can be read, but not driven."""

    def can_become(self, phase: "Phase") -> bool:
        """Return whether a move from this phase to another is legal."""
        return phase in _MOVES[self]


_MOVES: Final = {
    Phase.PREPARED: {Phase.STARTED, Phase.CLOSED},
    Phase.STARTED: {Phase.DRIVING, Phase.SUSPENDING, Phase.CANCELLING, Phase.CLOSED},
    Phase.DRIVING: {Phase.SUSPENDING, Phase.CANCELLING, Phase.CLOSED},
    Phase.SUSPENDING: {Phase.CANCELLING, Phase.CLOSED},
    Phase.CANCELLING: {Phase.CLOSED},
    Phase.CLOSED: set(),
    Phase.ENDED: set(),
}

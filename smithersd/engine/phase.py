"""Phase: how far an engine is, and which moves there are."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """How far an engine is with its run.

    ```text
    PREPARED ──> STARTED ──> DRIVING ──> SUSPENDING ──> CANCELLING
       │            ├───────────┼────────────^              ^│
       │            └───────────┴───────────────────────────┘│
       │            │           │            │               │
       └────────────┴───────────┴────────────┴───────────────┴──> CLOSED

    ENDED
    ```

    Whoever asks for a cancel or a suspension may do so before the driving begins. A cancel wins over a suspension.
    """

    PREPARED = "prepared"
    """Nothing of the run is durable yet, and nobody else knows of it."""
    STARTED = "started"
    """The run is there and the lease is ours; its first step is durable when `create` or `resume` has returned."""
    DRIVING = "driving"
    """Attempts are started and heard."""
    SUSPENDING = "suspending"
    """Somebody asked to suspend the run."""
    CANCELLING = "cancelling"
    """Somebody asked to cancel the run."""
    CLOSED = "closed"
    """Nothing of the engine is left; the lease is given back."""
    ENDED = "ended"
    """The run had ended before: there is nothing to drive, only to look at."""

    def can_become(self, phase: "Phase") -> bool:
        """Tell whether there is a move from this phase to another."""
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

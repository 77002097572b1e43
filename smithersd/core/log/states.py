"""The states of runs, attempts and waits, and which of them are final.

A state changes only by an event (`core/log/events.py`), and only `core/log/transitions.py` says which event leads to
which state.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from smithersd.elements.kinds import NodeState

__all__ = [
    "WAITING_STATUSES",
    "AttemptState",
    "Cancellation",
    "Interruption",
    "NodeState",
    "RunStatus",
    "WaitKind",
    "WaitStatus",
]


class RunStatus(StrEnum):
    """The status of a run."""

    RUNNING = "running"
    WAITING_APPROVAL = "waiting-approval"
    WAITING_TIMER = "waiting-timer"
    WAITING_EVENT = "waiting-event"
    SUSPENDED = "suspended"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CONTINUED = "continued"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended for good; a suspended run has not."""
        return self in _FINAL_RUN_STATUSES

    @property
    def is_at_rest(self) -> bool:
        """Whether the run has ended or is suspended, so that nothing happens unless it is resumed."""
        return self in _RUN_STATUSES_AT_REST

    @property
    def is_waiting(self) -> bool:
        """Whether nothing runs, and the run waits for a person, a timer or a signal."""
        return self in _WAITING_RUN_STATUSES


class AttemptState(StrEnum):
    """The state of one attempt."""

    IN_PROGRESS = "in-progress"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class WaitKind(StrEnum):
    """What a node waits for."""

    APPROVAL = "approval"
    TIMER = "timer"
    SIGNAL = "signal"
    RETRY = "retry"


class WaitStatus(StrEnum):
    """The status of a wait."""

    OPEN = "open"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Interruption(StrEnum):
    """Why an attempt was interrupted without its own fault."""

    CRASH = "crash"
    SUSPENDED = "suspended"
    LEASE_LOST = "lease-lost"


class Cancellation(StrEnum):
    """Why a node was cancelled."""

    ABORTED = "aborted"
    RUN_FAILED = "run-failed"
    UNMOUNTED = "unmounted"


WAITING_STATUSES: Mapping[NodeState, RunStatus] = MappingProxyType(
    {
        NodeState.WAITING_APPROVAL: RunStatus.WAITING_APPROVAL,
        NodeState.WAITING_EVENT: RunStatus.WAITING_EVENT,
        NodeState.WAITING_TIMER: RunStatus.WAITING_TIMER,
    }
)
"""The status of a run in which only nodes of such a state are left; if there are several states, the first counts."""

_WAITING_RUN_STATUSES = frozenset(WAITING_STATUSES.values())
_FINAL_RUN_STATUSES = frozenset({RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.CONTINUED})
_RUN_STATUSES_AT_REST = _FINAL_RUN_STATUSES | {RunStatus.SUSPENDED}

"""Enums that an author's elements and the core share."""

from enum import StrEnum


class OnDeny(StrEnum):
    """What follows when a person denies an approval: fail the node, finish it, or skip it."""

    FAIL = "fail"
    CONTINUE = "continue"
    SKIP = "skip"


class OnTimeout(StrEnum):
    """What becomes of a node whose wait has taken too long."""

    FAIL = "fail"
    SKIP = "skip"
    CONTINUE = "continue"


class Backoff(StrEnum):
    """How the delay between retries grows: not at all, by the same amount, or by doubling."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class TimerType(StrEnum):
    """What a timer waits for: a span of time, or a date."""

    DURATION = "duration"
    ABSOLUTE = "absolute"


class NodeState(StrEnum):
    """What a node iteration is doing."""

    PENDING = "pending"
    IN_PROGRESS = "in-progress"
    WAITING_APPROVAL = "waiting-approval"
    WAITING_TIMER = "waiting-timer"
    WAITING_EVENT = "waiting-event"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """Whether the node iteration has ended for good."""
        return self in _FINAL_NODE_STATES

    @property
    def is_waiting(self) -> bool:
        """Whether the node waits for a person, a timer or a signal."""
        return self in _WAITING_NODE_STATES


_WAITING_NODE_STATES = frozenset({NodeState.WAITING_APPROVAL, NodeState.WAITING_TIMER, NodeState.WAITING_EVENT})
_FINAL_NODE_STATES = frozenset({NodeState.FINISHED, NodeState.FAILED, NodeState.CANCELLED, NodeState.SKIPPED})

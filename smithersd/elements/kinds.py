"""The closed vocabularies that an author's elements and the core share."""

from enum import StrEnum


class NodeKind(StrEnum):
    """What kind of element a node came from; containers have no state and so are no nodes."""

    TASK = "task"
    SHELL = "shell"
    APPROVAL = "approval"


class OnDeny(StrEnum):
    """What becomes of an approval that a person denied."""

    FAIL = "fail"
    CONTINUE = "continue"
    SKIP = "skip"


class Backoff(StrEnum):
    """How the delay between retries grows."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"

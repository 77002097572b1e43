"""How an attempt ended."""

from dataclasses import dataclass

from smithersd.errors import ErrorInfo


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The work was done; `output` is its result as JSON text."""

    output: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The work failed by its own fault."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Stopped:
    """The work was told to end, and ended without a result."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The work did not begin: what it was to run with cannot be read (any more)."""

    error: ErrorInfo


Outcome = Succeeded | Failed | Stopped | Unreadable
"""How an attempt ended; `match` over it ends in assert_never."""

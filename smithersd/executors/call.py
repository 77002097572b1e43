"""What an executor is given to run, and what it gives back: the seam between the engine and task code."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from smithersd.core.flow.work import Work
from smithersd.core.log.events import JsonValue
from smithersd.errors import ErrorInfo

STDOUT = "stdout"
STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """Which attempt it is, and what the attempt before it left behind."""

    run_id: str
    node_id: str
    iteration: int
    attempt: int
    last_heartbeat: JsonValue

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of a node iteration, another one for everything else.

        A digest: short and plain enough for any header, however long or odd the ids are.
        """
        # Ids are printable, so NUL parts them without doubt.
        place = f"{self.run_id}\0{self.node_id}\0{self.iteration}"
        return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def __str__(self) -> str:
        iteration = f" (iteration {self.iteration})" if self.iteration else ""
        return f"attempt {self.attempt} of {self.node_id!r}{iteration}"


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt to be made.

    `encode_output` turns the result (of a shell: its stdout as text) into JSON text, or raises
    InvalidOutput. It may be called in any thread, in the task's context.
    """

    info: AttemptInfo
    work: Work
    encode_output: Callable[[Any], str]


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


class Sink(Protocol):
    """Hears of an attempt; every method is called in the event loop's thread and never after `ended`."""

    def printed(self, text: str, stream: str, is_truncated: bool) -> None:  # noqa: FBT001
        """Hear what the attempt printed; with `is_truncated` this is the last that will be told of it."""

    def progressed(self, done: float | None, total: float | None, message: str | None) -> None:
        """Hear how far the attempt is."""

    def beat(self, data: JsonValue) -> None:
        """Hear that the attempt is alive."""

    def ended(self, outcome: Outcome) -> None:
        """Hear that the attempt ended: exactly once, unless it is abandoned before."""


class Running(Protocol):
    """An attempt that was started."""

    def stop(self) -> None:
        """Begin to end it: a coroutine is cancelled, a shell gets SIGTERM, a thread is told. Idempotent."""

    def abandon(self) -> None:
        """Kill the shell, leave task or thread behind; nothing of it is reported any more."""

"""The interface between the engine and executors: what to run, how to report it, how it ended."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from smithersd.core.flow.values import Secrets
from smithersd.core.flow.work import Work
from smithersd.core.log.events import JsonValue
from smithersd.elements.options.retry import RetryPolicy
from smithersd.errors import ErrorInfo

STDOUT = "stdout"
STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """Which attempt it is, and the data of the last heartbeat before it."""

    run_id: str
    node_id: str
    iteration: int
    attempt: int
    last_heartbeat: JsonValue

    @property
    def idempotency_key(self) -> str:
        """A key of 32 hexadecimal digits: the same for every attempt of a node iteration, and for nothing else.

        It is a digest of the ids, so that any HTTP header can carry it.
        """
        # Ids are printable, so NUL separates them unambiguously.
        place = f"{self.run_id}\0{self.node_id}\0{self.iteration}"
        return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def __str__(self) -> str:
        iteration = f" (iteration {self.iteration})" if self.iteration else ""
        return f"attempt {self.attempt} of {self.node_id!r}{iteration}"


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt to run.

    `encode_output` converts the result (of a shell: its stdout as text) to JSON text, or raises InvalidOutput. It may
    be called in any thread, in the task's context. `retry` decides which errors are worth another attempt. `secrets`
    are the values of the secrets that the work is given, by name: they must not get out of it.
    """

    info: AttemptInfo
    work: Work
    encode_output: Callable[[Any], str]
    retry: RetryPolicy = RetryPolicy()
    secrets: Secrets = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The work is done; `output` is its result as JSON text."""

    output: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The work raised, or returned an output that is not valid.

    `is_retryable` is whether the error is worth another attempt, `retry_delay_s` the delay that the error asks for
    (None: the node's policy decides).
    """

    error: ErrorInfo
    is_retryable: bool
    retry_delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The work was told to end, and ended without a result."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The work did not start: the outputs that it takes as arguments cannot be read (any more)."""

    error: ErrorInfo


Outcome = Succeeded | Failed | Stopped | Unreadable
"""How an attempt ended; `match` over it ends in assert_never."""


class Sink(Protocol):
    """Receives what an attempt reports; every method is called in the event loop's thread, and none after `ended`."""

    def printed(self, text: str, stream: str, is_truncated: bool) -> None:  # noqa: FBT001
        """Receive text that the attempt printed; with `is_truncated` it is the last, since the limit is reached."""

    def progressed(self, done: float | None, total: float | None, message: str | None) -> None:
        """Receive the attempt's progress."""

    def heartbeat(self, data: JsonValue) -> None:
        """Receive a heartbeat with its data."""

    def signalled(self, name: str, key: str | None, data: JsonValue) -> None:
        """Hear of a signal that the attempt sends its run."""

    def ended(self, outcome: Outcome) -> None:
        """Receive the outcome: exactly once, unless the attempt is abandoned before."""


class Running(Protocol):
    """An attempt that was started."""

    def stop(self) -> None:
        """Ask it to end: cancel the coroutine, send the shell SIGTERM, set `cancelled` for a thread. Idempotent."""

    def abandon(self) -> None:
        """Kill the shell, or leave the coroutine or thread to itself; nothing more is reported."""

"""The answer of a daemon to its starter: a line through a pipe, as soon as its run has started or cannot start.

While the daemon waits for something before that, it sends the reason.
"""

import os
import select
from contextlib import suppress
from dataclasses import dataclass

from pydantic import TypeAdapter

from smithersd.posix.process.forks import keep_from_forks


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon whose run has started, or that stands by, and whose server, if it has one, answers.

    The warnings are for the operator.
    """

    run_id: str
    url: str | None
    pid: int
    log_file: str
    pid_file: str
    warnings: tuple[str, ...] = ()
    is_standby: bool = False


@dataclass(frozen=True, slots=True)
class StartRefused:
    """The error for which a daemon did not start."""

    code: str
    message: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The reason why a daemon has not started yet; the answer follows."""

    reason: str


_ADAPTER: TypeAdapter[Started | StartRefused | Waiting] = TypeAdapter(Started | StartRefused | Waiting)


def read_answer(line: bytes) -> Started | StartRefused | Waiting:
    """Parse a line that a daemon has sent."""
    return _ADAPTER.validate_json(line)


class StartResult:
    """The daemon's end of the pipe to its starter: reasons to wait, then one answer."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's own signature
        self._descriptor: int | None = descriptor
        keep_from_forks(self._descriptors)  # a worker of author code must not keep the starter waiting

    @property
    def is_awaited(self) -> bool:
        """Whether the starter still waits for the answer; it may have been interrupted or killed."""
        if self._descriptor is None:
            return False
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return not any(events & select.POLLERR for _, events in poll.poll(0))

    def send(self, answer: Started | StartRefused | Waiting) -> bool:
        """Send a line to the starter; return whether it could be written. Only the first answer counts.

        After a refusal the pipe stays open until this process has ended, for which the starter waits.
        """
        if self._descriptor is None:
            return False
        try:
            os.write(self._descriptor, _ADAPTER.dump_json(answer) + b"\n")
        except OSError:
            return False
        if isinstance(answer, Started):
            self._close()
        return True

    def _descriptors(self) -> tuple[int, ...]:
        return () if self._descriptor is None else (self._descriptor,)

    def _close(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

"""One attempt while it runs: what it reports, and whether it was told to end."""

import asyncio
import threading

import pydantic_core

from smithersd.elements.options.retry import RetryPolicy
from smithersd.executors.call import AttemptInfo, Outcome, Sink, Stopped
from smithersd.executors.failure import failure_of, log_traceback
from smithersd.executors.output.mask import Mask
from smithersd.executors.output.output_buffer import OutputBuffer
from smithersd.executors.output.throttle import Throttle
from smithersd.executors.shared_resources import SharedResources
from smithersd.limits import PROGRESS_INTERVAL_S
from smithersd.loggers import logger

Progress = tuple[float | None, float | None, str | None]
"""done, total, message"""

_log = logger(__name__)


class Attempt:
    """Passes on what one attempt reports, until it has ended or is abandoned.

    The sink is called in the loop's thread, for the last time with `ended`; what comes later, for example from an
    abandoned thread, is dropped. Buffers and timers exist only for a task that uses them.
    """

    __slots__ = (
        "_heartbeats",
        "_output_buffer",
        "_progress",
        "_retry",
        "_sink",
        "info",
        "is_over",
        "is_stop_requested",
        "mask",
        "shared",
    )

    _creation_lock = threading.RLock()
    """Held while a buffer or throttle is made, since several threads of one task may use it first."""

    def __init__(
        self, info: AttemptInfo, sink: Sink, shared: SharedResources, retry: RetryPolicy, mask: Mask | None
    ) -> None:
        self.info = info
        self.mask = mask
        """Replaces the attempt's secrets in texts, None if it has none."""
        self.shared = shared
        self.is_stop_requested = False
        self.is_over = False
        self._sink = sink
        self._retry = retry
        self._output_buffer: OutputBuffer | None = None
        self._heartbeats: Throttle | None = None
        self._progress: Throttle | None = None

    @property
    def output_buffer(self) -> OutputBuffer:
        """The buffer of what the attempt prints."""
        with self._creation_lock:
            if self._output_buffer is None:
                self._output_buffer = OutputBuffer(self.shared.flush_timer, self._report_printed, self.mask)
            return self._output_buffer

    def heartbeat(self, data: bytes) -> None:
        """Report a heartbeat, with its data as JSON; from any thread."""
        with self._creation_lock:
            if self._heartbeats is None:
                self._heartbeats = Throttle(self.shared.bridge, PROGRESS_INTERVAL_S, self._report_heartbeat)
        self._heartbeats.offer(data)

    def progress(self, progress: Progress) -> None:
        """Report how far the work is; from any thread."""
        with self._creation_lock:
            if self._progress is None:
                self._progress = Throttle(self.shared.bridge, PROGRESS_INTERVAL_S, self._report_progress)
        self._progress.offer(progress)

    def signal(self, name: str, key: str | None, data: bytes) -> None:
        """Send the run a signal, with its data as JSON; from any thread."""
        if not self.is_over:
            self.shared.bridge.call(self._sink.signalled, name, key, pydantic_core.from_json(data))

    def end(self, outcome: Outcome) -> None:
        """Report the outcome, after everything that was reported before it."""
        if self.is_over:
            if not isinstance(outcome, Stopped):
                _log.warning(
                    "The result of %s came too late and was dropped: the attempt had been abandoned.", self.info
                )
            return
        for channel in (self._progress, self._heartbeats, self._output_buffer):
            if channel is not None:
                channel.close()
        self.is_over = True
        self.shared.bridge.call(self._sink.ended, outcome)

    def fail(self, error: BaseException) -> None:
        """Report that the work raised: as `Failed`, or as `Stopped` if it had been told to end."""
        self.end(Stopped() if self.is_stop_requested else failure_of(error, self._retry, self.mask))
        if self.is_stop_requested and isinstance(error, asyncio.CancelledError):
            return  # the way a coroutine ends when it is told to
        # Events hold no stack traces, so an author finds them here. Logged after the attempt's end, since what is
        # logged before it would become one of its events.
        log_traceback(_log, f"{self.info} raised {type(error).__name__}", error, self.mask)

    def abandon(self) -> None:
        """Report nothing from now on."""
        self.is_stop_requested = True
        self.is_over = True

    def _report_printed(self, text: str, stream: str, is_truncated: bool) -> None:  # noqa: FBT001
        if not self.is_over:
            self.shared.bridge.call(self._sink.printed, text, stream, is_truncated)

    def _report_heartbeat(self, data: bytes) -> None:
        if not self.is_over:
            self.shared.bridge.call(self._sink.heartbeat, pydantic_core.from_json(data))

    def _report_progress(self, progress: Progress) -> None:
        if not self.is_over:
            self.shared.bridge.call(self._sink.progressed, *progress)

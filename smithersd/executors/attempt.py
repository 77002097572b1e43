"""One attempt while it runs: what it reports, and whether it was told to end."""

import asyncio
import threading

import pydantic_core

from smithersd.author_errors import describe, with_place
from smithersd.elements.texts import shown
from smithersd.errors import TASK_FAILED, ErrorInfo, SmithersError
from smithersd.executors.call import AttemptInfo, Failed, Outcome, Sink, Stopped
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

    __slots__ = ("_beats", "_output_buffer", "_progress", "_sink", "info", "is_over", "is_told_to_end", "shared")

    _making = threading.RLock()
    """Held while a buffer or throttle is made, since several threads of one task may use it first."""

    def __init__(self, info: AttemptInfo, sink: Sink, shared: SharedResources) -> None:
        self.info = info
        self.shared = shared
        self.is_told_to_end = False
        self.is_over = False
        self._sink = sink
        self._output_buffer: OutputBuffer | None = None
        self._beats: Throttle | None = None
        self._progress: Throttle | None = None

    @property
    def output_buffer(self) -> OutputBuffer:
        """The buffer of what the attempt prints."""
        with self._making:
            if self._output_buffer is None:
                self._output_buffer = OutputBuffer(self.shared.flush_timer, self._tell_printed)
            return self._output_buffer

    def beat(self, data: bytes) -> None:
        """Report a heartbeat, with its data as JSON; from any thread."""
        with self._making:
            if self._beats is None:
                self._beats = Throttle(self.shared.bridge, PROGRESS_INTERVAL_S, self._tell_beat)
        self._beats.offer(data)

    def progress(self, progress: Progress) -> None:
        """Report how far the work is; from any thread."""
        with self._making:
            if self._progress is None:
                self._progress = Throttle(self.shared.bridge, PROGRESS_INTERVAL_S, self._tell_progress)
        self._progress.offer(progress)

    def end(self, outcome: Outcome) -> None:
        """Report the outcome, after everything that was reported before it."""
        if self.is_over:
            if not isinstance(outcome, Stopped):
                _log.warning(
                    "The result of %s came too late and was dropped: the attempt had been abandoned.", self.info
                )
            return
        for channel in (self._progress, self._beats, self._output_buffer):
            if channel is not None:
                channel.close()
        self.is_over = True
        self.shared.bridge.call(self._sink.ended, outcome)

    def fail(self, error: BaseException) -> None:
        """Report that the work raised: as `Failed`, or as `Stopped` if it had been told to end."""
        self.end(Stopped() if self.is_told_to_end else Failed(_described(error)))
        if self.is_told_to_end and isinstance(error, asyncio.CancelledError):
            return  # the way a coroutine ends when it is told to
        # Events hold no stack traces, so an author finds them here. Logged after the attempt's end, since what is
        # logged before it would become one of its events.
        _log.info("%s raised %s", self.info, type(error).__name__, exc_info=error)

    def leave_behind(self) -> None:
        """Report nothing from now on."""
        self.is_told_to_end = True
        self.is_over = True

    def _tell_printed(self, text: str, stream: str, is_truncated: bool) -> None:  # noqa: FBT001
        if not self.is_over:
            self.shared.bridge.call(self._sink.printed, text, stream, is_truncated)

    def _tell_beat(self, data: bytes) -> None:
        if not self.is_over:
            self.shared.bridge.call(self._sink.beat, pydantic_core.from_json(data))

    def _tell_progress(self, progress: Progress) -> None:
        if not self.is_over:
            self.shared.bridge.call(self._sink.progressed, *progress)


def _described(error: BaseException) -> ErrorInfo:
    try:
        return _in_words(error)
    except Exception:  # noqa: BLE001 - an exception whose own attributes raise must not prevent the attempt's end
        return ErrorInfo(TASK_FAILED, type(error).__name__, "The task raised an exception that cannot be described.")


def _in_words(error: BaseException) -> ErrorInfo:
    match error:
        case asyncio.CancelledError():
            message = "The task was cancelled by its own code: something that it awaited was cancelled."
            return ErrorInfo(TASK_FAILED, "CancelledError", with_place(message, error))
        case SystemExit():
            return ErrorInfo(
                TASK_FAILED, "SystemExit", with_place(f"The task called sys.exit({shown(error.code)}).", error)
            )
        case _:
            code = error.code if isinstance(error, SmithersError) else TASK_FAILED
            return ErrorInfo(code, type(error).__name__, describe(error))

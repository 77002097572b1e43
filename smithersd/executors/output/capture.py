"""Makes what tasks print and log part of their attempts, and leaves all other output where it goes."""

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Self, TextIO, cast

from smithersd.executors.attempt import Attempt
from smithersd.executors.call import STDERR, STDOUT
from smithersd.executors.context import current_attempt

_Write = Callable[[str], int]

_ABSENT: Any = object()


class Capture:
    """While installed, output of a task's code goes to its attempt: known by context variable, not by thread.

    - `sys.stdout` and `sys.stderr` are stand-ins that ask at each write whose it is.
    - The streams behind them ask too, since a log handler or a library may have kept one from before.
    - Log records: if the handlers that the author configured wrote one to such a stream, then the attempt has it,
      formatted as the author wants it. If none did, it is added here. So each line comes once, whatever is
      configured before, after or amid the run. A handler of ours on the root logger could not know, and would
      turn the author's `basicConfig` into a no-op.
    """

    def __init__(self) -> None:
        self._is_installed = True
        self._writes = _WriteCount()
        self._undo = contextlib.ExitStack()
        for name in (STDOUT, STDERR):
            self._replace_stream(name)
        self._listen_to_logging()

    def close(self) -> None:
        """Put everything back. What somebody has wrapped meanwhile stays and does nothing."""
        self._is_installed = False
        self._undo.close()

    def attempt(self) -> Attempt | None:
        """The attempt whose code is calling, if its output is to be captured here."""
        attempt = current_attempt.get()
        if attempt is None or attempt.shared.capture is not self or attempt.is_over or not self._is_installed:
            return None
        return attempt

    def write(self, attempt: Attempt, text: str, stream: str) -> None:
        """Give text to an attempt."""
        self._writes.count += 1
        attempt.output_buffer.add(text, stream)

    def write_bytes(self, attempt: Attempt, data: bytes, stream: str) -> None:
        """Give bytes to an attempt."""
        self._writes.count += 1
        attempt.output_buffer.add_bytes(data, stream)

    def _replace_stream(self, name: str) -> None:
        original: TextIO | None = getattr(sys, name)
        if original is None:
            return  # a process without this stream; print() does nothing then
        stand_in = _StandIn(self, name, original)
        self._replace(sys, name, stand_in)
        self._ask_in_original(name, original)

    def _ask_in_original(self, name: str, original: TextIO) -> None:
        write = _write_of(original)

        def ask_and_write(text: str) -> int:
            attempt = self.attempt()
            if attempt is None:
                return write(text)
            self.write(attempt, text, name)
            return len(text)

        with contextlib.suppress(Exception):  # a stream of somebody's own that takes no attribute
            self._replace(original, "write", ask_and_write)

    def _listen_to_logging(self) -> None:
        call_handlers = logging.Logger.callHandlers
        formatter = _AttemptHandler(self)

        def call_handlers_and_look(logger: logging.Logger, record: logging.LogRecord) -> None:
            if self.attempt() is None:
                call_handlers(logger, record)
                return
            count = self._writes.count
            call_handlers(logger, record)
            if self._writes.count == count:
                formatter.handle(record)

        self._replace(logging.Logger, "callHandlers", call_handlers_and_look)

    def _replace(self, owner: Any, name: str, ours: object) -> None:
        original = vars(owner).get(name, _ABSENT)
        setattr(owner, name, ours)
        self._undo.callback(_put_back, owner, name, ours, original)


class _WriteCount(threading.local):
    """How often this thread wrote to an attempt: tells whether log handlers did, while others write too."""

    count = 0


class _AttemptHandler(logging.Handler):
    """Adds a record to the attempt; on no logger, but called for what the author's handlers did not write."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture = capture
        self.setFormatter(logging.Formatter(logging.BASIC_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        attempt = self._capture.attempt()
        if attempt is not None:
            self._capture.write(attempt, self.format(record) + "\n", STDERR)


class _StandIn:
    """Stands for sys.stdout or sys.stderr: writes of a task's code are captured, all else is the original's."""

    def __init__(self, capture: Capture, name: str, original: TextIO) -> None:
        self._capture = capture
        self._name = name
        self._original = original
        self._write = _write_of(original)

    def write(self, text: str) -> int:
        attempt = self._capture.attempt()
        if attempt is None:
            return self._write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.write(attempt, text, self._name)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        # A task's output ends up in events: no colours, no bars that move.
        return self._capture.attempt() is None and self._original.isatty()

    @property
    def buffer(self) -> Any:
        buffer = self._original.buffer
        return buffer if self._capture.attempt() is None else _BinaryStandIn(self._capture, self._name, buffer)

    def __iter__(self) -> Any:
        return iter(self._original)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._original.flush()  # not closed: the stream is everybody's

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _BinaryStandIn:
    """Stands for the binary stream below, in a task's code."""

    def __init__(self, capture: Capture, name: str, original: Any) -> None:
        self._capture = capture
        self._name = name
        self._original = original

    def write(self, data: Any) -> int:
        attempt = self._capture.attempt()
        if attempt is None:
            return cast("int", self._original.write(data))
        self._capture.write_bytes(attempt, bytes(data), self._name)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _write_of(stream: TextIO) -> _Write:
    """How to write to a stream that may be of somebody's own; what is wrong with it, whoever writes is told."""
    try:
        return stream.write
    except Exception:  # noqa: BLE001 - whatever it is
        return functools.partial(_write_late, stream)


def _write_late(stream: TextIO, text: str) -> int:
    return stream.write(text)


def _put_back(owner: Any, name: str, ours: object, original: object) -> None:
    if vars(owner).get(name) is not ours:
        return  # somebody has put a thing of their own there: theirs to undo
    if original is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, original)

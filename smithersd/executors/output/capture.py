"""Capture what tasks print and log for their attempts, and leave all other output alone."""

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, TextIO, cast

from smithersd.executors.attempt import Attempt
from smithersd.executors.call import STDERR, STDOUT
from smithersd.executors.context import current_attempt

_Write = Callable[[str], int]

_ABSENT: Any = object()


class Capture:
    """The capture of one engine's attempts, from its making until `close`; it does not concern other engines."""

    def __init__(self) -> None:
        _process.open(self)

    def close(self) -> None:
        """Stop capturing this engine's attempts. The last engine to close restores stdout, stderr and logging."""
        _process.close(self)


class _ProcessCapture:
    """Replaces stdout, stderr and part of logging, once for all engines of the process.

    While it is installed, output of a task's code goes to its attempt, found by context variable, not by thread.

    - `sys.stdout` and `sys.stderr` are proxies that look up the attempt at each write.
    - The original streams look it up too, since a log handler or a library may have kept a reference to one.
    - Log records: if a handler that the author configured writes the record to such a stream, the attempt gets it in
      the author's format. If none does, it is added here. So each line comes once, whatever is configured before,
      after or during the run. A handler on the root logger could not do this, and would turn the author's
      `basicConfig` into a no-op.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # engines of one process may live in several threads, each with its loop
        self._open: set[object] = set()
        self._replaced: list[_Replaced] = []
        self._writes = _WriteCount()
        self._handler = _AttemptHandler(self)

    def open(self, part: object) -> None:
        """Capture for one more engine; replace a stream again if somebody has set a new one since."""
        with self._lock:
            self._open.add(part)
            for name in (STDOUT, STDERR):
                self._replace_stream(name)
            self._capture_logging()

    def close(self, part: object) -> None:
        """Capture for one engine less. A proxy that somebody has wrapped meanwhile stays, and passes everything on."""
        with self._lock:
            self._open.discard(part)
            while not self._open and self._replaced:
                self._replaced.pop().restore()

    def attempt(self) -> Attempt | None:
        """Return the attempt whose code is calling, if its output is to be captured."""
        attempt = current_attempt.get()
        if attempt is None or attempt.is_over or attempt.shared.capture not in self._open:
            return None
        return attempt

    def write(self, attempt: Attempt, text: str, stream: str) -> None:
        """Add text to an attempt's output."""
        self._writes.count += 1
        attempt.output_buffer.add(text, stream)

    def write_bytes(self, attempt: Attempt, data: bytes, stream: str) -> None:
        """Add bytes to an attempt's output."""
        self._writes.count += 1
        attempt.output_buffer.add_bytes(data, stream)

    def _replace_stream(self, name: str) -> None:
        original: TextIO | None = getattr(sys, name)
        if original is None or self._is_ours(original):
            return  # a process without this stream, in which print() does nothing; or captured already
        self._replace(sys, name, self._proxy_of(name, original))
        if not self._is_ours(getattr(original, "__dict__", {}).get("write")):
            self._capture_original(name, original)

    def _proxy_of(self, name: str, original: TextIO) -> "_StreamProxy":
        """Return the proxy of a stream: the earlier one if somebody has set the original stream again."""
        proxies = (replaced.ours for replaced in self._replaced if replaced.original is original)
        known = next((proxy for proxy in proxies if isinstance(proxy, _StreamProxy)), None)
        return known or _StreamProxy(self, name, original)

    def _capture_original(self, name: str, original: TextIO) -> None:
        write = _write_of(original)

        def capture_or_write(text: str) -> int:
            attempt = self.attempt()
            if attempt is None:
                return write(text)
            self.write(attempt, text, name)
            return len(text)

        with contextlib.suppress(Exception):  # an author's stream that allows no new attribute
            self._replace(original, "write", capture_or_write)

    def _capture_logging(self) -> None:
        call_handlers = logging.Logger.callHandlers
        if self._is_ours(call_handlers):
            return

        def call_handlers_and_capture(logger: logging.Logger, record: logging.LogRecord) -> None:
            if self.attempt() is None:
                call_handlers(logger, record)
                return
            count = self._writes.count
            call_handlers(logger, record)
            if self._writes.count == count:
                self._handler.handle(record)

        self._replace(logging.Logger, "callHandlers", call_handlers_and_capture)

    def _is_ours(self, found: object) -> bool:
        return any(replaced.ours is found for replaced in self._replaced)

    def _replace(self, owner: Any, name: str, ours: object) -> None:
        original = vars(owner).get(name, _ABSENT)
        setattr(owner, name, ours)
        self._replaced.append(_Replaced(owner, name, ours, original))


@dataclass(frozen=True, slots=True)
class _Replaced:
    """An attribute that was replaced, and its original value."""

    owner: Any
    name: str
    ours: object
    original: object

    def restore(self) -> None:
        """Restore the original, unless somebody has replaced ours meanwhile: then that stays."""
        if vars(self.owner).get(self.name) is not self.ours:
            return
        if self.original is _ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)


class _WriteCount(threading.local):
    """How often this thread wrote to an attempt, to find out whether a log handler did."""

    count = 0


class _AttemptHandler(logging.Handler):
    """Adds a log record to the attempt. It is on no logger, but called for records that no handler wrote."""

    def __init__(self, capture: _ProcessCapture) -> None:
        super().__init__()
        self._capture = capture
        self.setFormatter(logging.Formatter(logging.BASIC_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        attempt = self._capture.attempt()
        if attempt is not None:
            self._capture.write(attempt, self.format(record) + "\n", STDERR)


class _StreamProxy:
    """A proxy of sys.stdout or sys.stderr: writes of a task's code are captured, all else goes to the original."""

    def __init__(self, capture: _ProcessCapture, name: str, original: TextIO) -> None:
        self._capture = capture
        self._name = name
        self._original = original
        self._write = _write_of(original)

    def write(self, text: str) -> int:
        attempt = self._capture.attempt()
        if attempt is None:
            return self._write(masked(text))
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.write(attempt, text, self._name)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        # A task's output becomes events: no colours, no progress bars.
        return self._capture.attempt() is None and self._original.isatty()

    @property
    def buffer(self) -> Any:
        buffer = self._original.buffer
        return buffer if self._capture.attempt() is None else _BinaryStreamProxy(self._capture, self._name, buffer)

    def __iter__(self) -> Any:
        return iter(self._original)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._original.flush()  # not closed: others use the stream too

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _BinaryStreamProxy:
    """A proxy of the binary stream behind sys.stdout or sys.stderr, for a task's code."""

    def __init__(self, capture: _ProcessCapture, name: str, original: Any) -> None:
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
    """Return a stream's write method; if an author's stream has none, the error is raised at the first write."""
    try:
        return stream.write
    except Exception:  # noqa: BLE001 - an author's property may raise anything
        return functools.partial(_write_late, stream)


def _write_late(stream: TextIO, text: str) -> int:
    return stream.write(text)


def masked(text: str) -> str:
    """Replace secrets in what an attempt's code prints once the attempt is over, and its output is not captured."""
    attempt = current_attempt.get()
    return text if attempt is None or attempt.mask is None or not isinstance(text, str) else attempt.mask.text(text)


_process = _ProcessCapture()

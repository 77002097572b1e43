"""Makes what tasks print and log part of their attempts, and leaves all other output where it goes."""

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
    """One engine's part in the capture of this process: open from when it is made until `close`.

    The attempts of an engine are captured while its part is open; those of other engines are somebody else's.
    """

    def __init__(self) -> None:
        _process.open(self)

    def close(self) -> None:
        """Capture this engine's attempts no longer. The last to close puts everything back as it was."""
        _process.close(self)


class _ProcessCapture:
    """What is put in the place of stdout, stderr and logging, once for all engines of the process.

    While it is installed, output of a task's code goes to its attempt: known by context variable, not by thread.

    - `sys.stdout` and `sys.stderr` are stand-ins that ask at each write whose it is.
    - The streams behind them ask too, since a log handler or a library may have kept one from before.
    - Log records: if the handlers that the author configured wrote one to such a stream, then the attempt has it,
      formatted as the author wants it. If none did, it is added here. So each line comes once, whatever is
      configured before, after or amid the run. A handler of ours on the root logger could not know, and would
      turn the author's `basicConfig` into a no-op.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # engines of one process may live in several threads, each with its loop
        self._open: set[object] = set()
        self._replaced: list[_Replaced] = []
        self._writes = _WriteCount()
        self._handler = _AttemptHandler(self)

    def open(self, part: object) -> None:
        """Capture for one engine more; what somebody has put in our place since the last time is replaced too."""
        with self._lock:
            self._open.add(part)
            for name in (STDOUT, STDERR):
                self._replace_stream(name)
            self._listen_to_logging()

    def close(self, part: object) -> None:
        """Capture for one engine less. What somebody has wrapped meanwhile stays, and does nothing."""
        with self._lock:
            self._open.discard(part)
            while not self._open and self._replaced:
                self._replaced.pop().put_back()

    def attempt(self) -> Attempt | None:
        """Return the attempt whose code is calling, if its output is to be captured."""
        attempt = current_attempt.get()
        if attempt is None or attempt.is_over or attempt.shared.capture not in self._open:
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
        if original is None or self._is_ours(original):
            return  # a process without this stream, in which print() does nothing; or captured already
        self._replace(sys, name, self._stand_in(name, original))
        if not self._is_ours(getattr(original, "__dict__", {}).get("write")):
            self._ask_in_original(name, original)

    def _stand_in(self, name: str, original: TextIO) -> "_StandIn":
        """Return the stand-in of a stream; the one that it had before where somebody has put the stream back."""
        known = (one.ours for one in self._replaced if one.original is original)
        return next((one for one in known if isinstance(one, _StandIn)), None) or _StandIn(self, name, original)

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
        if self._is_ours(call_handlers):
            return

        def call_handlers_and_look(logger: logging.Logger, record: logging.LogRecord) -> None:
            if self.attempt() is None:
                call_handlers(logger, record)
                return
            count = self._writes.count
            call_handlers(logger, record)
            if self._writes.count == count:
                self._handler.handle(record)

        self._replace(logging.Logger, "callHandlers", call_handlers_and_look)

    def _is_ours(self, found: object) -> bool:
        return any(one.ours is found for one in self._replaced)

    def _replace(self, owner: Any, name: str, ours: object) -> None:
        original = vars(owner).get(name, _ABSENT)
        setattr(owner, name, ours)
        self._replaced.append(_Replaced(owner, name, ours, original))


@dataclass(frozen=True, slots=True)
class _Replaced:
    """An attribute in whose place something of ours stands."""

    owner: Any
    name: str
    ours: object
    original: object

    def put_back(self) -> None:
        """Put the original back, unless somebody has put a thing of their own there: that is theirs to undo."""
        if vars(self.owner).get(self.name) is not self.ours:
            return
        if self.original is _ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)


class _WriteCount(threading.local):
    """How often this thread wrote to an attempt: tells whether log handlers did, while others write too."""

    count = 0


class _AttemptHandler(logging.Handler):
    """Adds a record to the attempt; on no logger, but called for what the author's handlers did not write."""

    def __init__(self, capture: _ProcessCapture) -> None:
        super().__init__()
        self._capture = capture
        self.setFormatter(logging.Formatter(logging.BASIC_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        attempt = self._capture.attempt()
        if attempt is not None:
            self._capture.write(attempt, self.format(record) + "\n", STDERR)


class _StandIn:
    """Stands for sys.stdout or sys.stderr: writes of a task's code are captured, all else is the original's."""

    def __init__(self, capture: _ProcessCapture, name: str, original: TextIO) -> None:
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
    """How to write to a stream that may be of somebody's own; what is wrong with it, whoever writes is told."""
    try:
        return stream.write
    except Exception:  # noqa: BLE001 - whatever it is
        return functools.partial(_write_late, stream)


def _write_late(stream: TextIO, text: str) -> int:
    return stream.write(text)


_process = _ProcessCapture()

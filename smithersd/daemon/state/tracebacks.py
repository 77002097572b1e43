"""The tracebacks of tasks, kept in a file of the run's folder if there is no log for them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from smithersd.limits import TRACEBACK_BYTES_MAX, TRACEBACKS_BYTES_MAX
from smithersd.loggers import logger

_MODE = 0o600
_END = b"\n\n"


@contextmanager
def keeping_tracebacks(path: Path) -> Iterator[None]:
    """Append each traceback that smithersd logs to a file while the `with` lasts; the first one creates the file.

    If the file exceeds 1 MiB, its newer half is kept. A file that cannot be written is ignored.
    """
    handler = _TracebackHandler(path)
    ours = logger("smithersd")
    level = ours.level
    ours.setLevel(min(level or handler.level, handler.level))
    ours.addHandler(handler)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)


def traceback_of(record: logging.LogRecord) -> str | None:
    """Return the traceback of a record, None if it has none; one that is a text already has no secrets in it."""
    if record.exc_text is not None:
        return record.exc_text
    return None if record.exc_info is None else logging.Formatter().formatException(record.exc_info)


class _TracebackHandler(logging.Handler):
    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None or record.exc_text is not None:
            with suppress(OSError):
                _append(self._path, _entry(record))


def _entry(record: logging.LogRecord) -> bytes:
    """Format a record; of a traceback that is too long the end is kept, which names the place."""
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    try:
        trace = traceback_of(record) or ""
    except Exception as error:  # noqa: BLE001 - whatever an author's exception does when it is asked for its text
        trace = f"The traceback could not be written: {type(error).__name__}."
    data = trace.encode(errors="backslashreplace")
    cut = b"...\n" if len(data) > TRACEBACK_BYTES_MAX else b""
    return f"{at} {record.getMessage()}\n".encode(errors="backslashreplace") + cut + data[-TRACEBACK_BYTES_MAX:] + _END


def _append(path: Path, entry: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size + len(entry) > TRACEBACKS_BYTES_MAX:
            file.seek(size // 2)
            newer = file.read().partition(_END)[2]
            file.truncate(0)
            file.write(newer)
        file.write(entry)

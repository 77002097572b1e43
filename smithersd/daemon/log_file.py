"""The log file of a process: written line by line, re-opened for rotation, and never a reason to stop.

Its descriptor keeps its number for life: re-opening puts another file behind it, so writers in other threads need no
lock, and neither do child processes that have it as their stdout.
"""

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from smithersd.errors import UserError

_STDOUT, _STDERR = 1, 2
_COPY_BYTES = 64 * 1024


class LogFile:
    """An open log file, for its owner only."""

    def __init__(self, path: Path | None) -> None:
        """Open it, or make it; None is stderr, whatever that is.

        Raises:
            UserError: it cannot be opened.
        """
        self.path = path
        self._has_stdio = False
        self._is_new = path is not None and not path.exists()
        try:
            self._descriptor = os.dup(_STDERR) if path is None else _opened(path)
        except OSError as error:
            raise UserError(
                f"The log file {str(path)!r} cannot be opened: {error.strerror}.", remedy="Choose another --log-file."
            ) from error

    def take_stdio(self, earlier: int) -> None:
        """Become this process's stdout and stderr, after taking over what the descriptor `earlier` holds."""
        _copy(earlier, self._descriptor)
        self._has_stdio = True
        self._put_behind_stdio()

    def write(self, text: str) -> None:
        """Append text that ends a line. A disk that is full loses it and nothing else."""
        with suppress(OSError):
            os.write(self._descriptor, text.encode(errors="backslashreplace"))

    def reopen(self) -> None:
        """Go over to the file that is now at the path; where that cannot be, stay with the one that is open."""
        if self.path is None:
            return
        with suppress(OSError):
            descriptor = _opened(self.path)
            os.dup2(descriptor, self._descriptor, inheritable=False)
            os.close(descriptor)
            self._put_behind_stdio()

    def discard(self) -> None:
        """Remove it, unless it was there before."""
        if self._is_new and self.path is not None:
            self.path.unlink(missing_ok=True)

    def _put_behind_stdio(self) -> None:
        if self._has_stdio:
            os.dup2(self._descriptor, _STDOUT)
            os.dup2(self._descriptor, _STDERR)


def forgive_stdio() -> None:
    """Let what author code prints be lost where it cannot be written: a full disk must not fail a workflow."""
    sys.stdout, sys.stderr = _forgiving(_STDOUT), _forgiving(_STDERR)


class _Forgiving(io.RawIOBase):
    """A descriptor whose writes never fail."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]  # what the buffer above hands down
        try:
            return os.write(self._descriptor, view)
        except OSError:
            return view.nbytes


def _forgiving(descriptor: int) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_Forgiving(descriptor))
    return io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _copy(source: int, target: int) -> None:
    offset = 0
    with suppress(OSError):
        while data := os.pread(source, _COPY_BYTES, offset):
            os.write(target, data)
            offset += len(data)

"""The log file of a process: written line by line, reopened for rotation; a failing write never stops a run.

Its descriptor never changes its number: reopening puts another file behind it, so that writers in other threads and
prints to stdout need no lock. A child process that has it as its stdout keeps the old file.
"""

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from smithersd.errors import UserError
from smithersd.posix.descriptor_writer import DescriptorWriter

_STDOUT, _STDERR = 1, 2
_COPY_BYTES = 64 * 1024


class LogFile:
    """An open log file, for its owner only."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            UserError: the file cannot be opened.
        """
        self.path = path
        self._has_stdio = False
        self._is_new = not path.exists()
        self._is_torn = False
        try:
            self._descriptor = _opened(path)
        except OSError as error:
            raise UserError(
                f"The log file {str(path)!r} cannot be opened: {error.strerror}.", remedy="Choose another --log-file."
            ) from error

    def take_stdio(self, earlier: int) -> None:
        """Redirect stdout and stderr to the log, after copying the content of the descriptor `earlier` into it."""
        _copy(earlier, self._descriptor)
        self._has_stdio = True
        self._redirect_stdio()

    def write(self, text: str) -> bool:
        """Append text that ends with a newline; return whether it could be written. Text that could not is lost.

        A line of which only a part could be written is ended before the next one. A log that was deleted is created
        again; one that was renamed (rotation) is kept until `reopen`.
        """
        if os.fstat(self._descriptor).st_nlink == 0:
            self.reopen()
        data = text.encode(errors="backslashreplace")
        if self._is_torn:
            data = b"\n" + data
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            return False
        self._is_torn = written < len(data)
        return not self._is_torn

    def reopen(self) -> None:
        """Open the file that is now at the path; keep the old one if that fails."""
        with suppress(OSError):
            descriptor = _opened(self.path)
            os.dup2(descriptor, self._descriptor, inheritable=False)
            os.close(descriptor)
            self._redirect_stdio()

    def discard(self) -> None:
        """Remove the file if this process created it."""
        if self._is_new:
            self.path.unlink(missing_ok=True)

    def _redirect_stdio(self) -> None:
        if self._has_stdio:
            os.dup2(self._descriptor, _STDOUT)
            os.dup2(self._descriptor, _STDERR)


def ignore_stdio_errors() -> None:
    """Ignore failing writes to stdout and stderr: a full disk must not fail a workflow."""
    sys.stdout, sys.stderr = _never_failing(_STDOUT), _never_failing(_STDERR)


class _NeverFailing(DescriptorWriter):
    """A descriptor whose writes never fail."""

    def write(self, data: object) -> int:
        """Write what the descriptor takes; the rest is lost."""
        view = memoryview(data)  # type: ignore[arg-type]  # what io.BufferedWriter passes on
        try:
            return os.write(self.descriptor, view)
        except OSError:
            return view.nbytes


def _never_failing(descriptor: int) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_NeverFailing(descriptor))
    return io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _opened(path: Path) -> int:
    """Open the file for appending, without blocking: a pipe that nobody reads loses lines and delays nothing."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)


def _copy(source: int, target: int) -> None:
    offset = 0
    with suppress(OSError):
        while data := os.pread(source, _COPY_BYTES, offset):
            os.write(target, data)
            offset += len(data)

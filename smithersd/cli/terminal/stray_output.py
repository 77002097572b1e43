"""Output that child processes of tasks, or C code, write to this process's stdout and stderr.

Such output would damage what is drawn on the terminal. So the descriptors are replaced by a pipe, and its lines are
shown in order with everything else. The pipe is as large as the system allows: code that writes while it holds the
interpreter's lock must not fill it, since no thread could read then.
"""

import codecs
import fcntl
import os
import select
import struct
import termios
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from smithersd.limits import MIB

_PIPE_BYTES = 1 * MIB
_READ_BYTES = 64 * 1024
_FIRST_FREE = 3


class StrayOutput:
    """A pipe in place of descriptors until `restore`; `show` is called with its lines, in a thread."""

    def __init__(self, descriptors: Sequence[int], show: Callable[[list[str]], None]) -> None:
        self._show = show
        self._saved = {
            descriptor: fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for descriptor in descriptors
        }
        self._pipe, writing = os.pipe()
        self._wake, self._waking = os.pipe()
        with suppress(AttributeError, OSError):  # not on this system, or above its limit
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        for descriptor in descriptors:
            os.dup2(writing, descriptor)
        os.close(writing)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="smithersd-stray-output", daemon=True)
        self._thread.start()

    def restore(self, *, timeout_s: float | None = None) -> None:
        """Restore the descriptors, and show what was written until now, waiting at most `timeout_s` for that.

        It may be called from any thread and more than once. Processes that keep the pipe as their stdout get SIGPIPE
        once this process has ended.
        """
        with self._lock:
            saved, self._saved = self._saved, {}
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        if saved:
            os.write(self._waking, b"\0")
        self._thread.join(timeout_s)

    def _read(self) -> None:
        waiting = select.poll()
        for descriptor in (self._pipe, self._wake):
            waiting.register(descriptor, select.POLLIN)
        while self._wake not in dict(waiting.poll()):
            self._take(os.read(self._pipe, _READ_BYTES))
        rest = _readable_bytes(self._pipe)  # not more, since processes may keep writing
        while rest and (data := os.read(self._pipe, min(rest, _READ_BYTES))):
            rest -= len(data)
            self._take(data)
        self._take(b"", is_last=True)

    def _take(self, data: bytes, *, is_last: bool = False) -> None:
        *lines, self._partial = (self._partial + self._decoder.decode(data, is_last)).split("\n")
        if is_last and self._partial:
            lines.append(self._partial)
        if lines:
            self._show(lines)


def _readable_bytes(descriptor: int) -> int:
    """Return how many bytes a pipe contains."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
    return int(count)

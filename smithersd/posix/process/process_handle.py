"""A handle on another process that never refers to a later process with the same pid.

Where the kernel supports pidfds the handle is one. Elsewhere (an old kernel, macOS, a sandbox that refuses the call)
the process is known by its pid and its start time, which is checked again before each signal.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class ProcessHandle:
    """One live process, from `open` to `close`; a `with` closes it."""

    def __init__(self, pid: int, pidfd: int | None, start_time: int | None) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._start_time = start_time

    @classmethod
    def open(cls, pid: int) -> Self | None:
        """Open a process; return None if there is none with this pid."""
        start_time = process_start_time(pid)
        if start_time is None:
            return None
        try:
            return cls(pid, os.pidfd_open(pid), start_time)
        except ProcessLookupError:
            return None
        except (AttributeError, OSError):  # no pidfds here: the start time has to do
            return cls(pid, None, start_time)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended; a zombie has."""
        return process_start_time(self.pid) != self._start_time

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal, and SIGCONT so that a stopped process receives it; do nothing if the process has ended.

        Raises:
            PermissionError: the process belongs to another user.
        """
        with suppress(ProcessLookupError):
            for each in (signum, signal.SIGCONT):
                if self._pidfd is not None:
                    signal.pidfd_send_signal(self._pidfd, each)
                elif not self.has_ended:
                    os.kill(self.pid, each)

    def check_permission(self) -> None:
        """Check that `signal` would be permitted.

        Raises:
            PermissionError: the process belongs to another user.
        """
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)

    def close(self) -> None:
        """Close the handle."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def process_start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it has ended or is a zombie.

    One whose first thread alone has ended has not: its other threads still hold its files and locks. Without /proc
    (macOS) the start time is unknown: it is 0 for every live process.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_without_proc(pid)
    has_threads = int(fields[17]) > 1
    return None if fields[0] in {"Z", "X"} and not has_threads else int(fields[19])


def _start_time_without_proc(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0

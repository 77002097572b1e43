"""The pidfile: whose process a run's daemon is, exact under races.

The file holds the pid and nothing else, and is locked (flock) from before it is written until after it is removed,
so a lock that can be had means that nobody is there, whatever number is written: kill -9, a reboot and a pid that
went to another program all look the same, and all are recognised.

Two traps, and how they are stepped around. A file may be removed between its opening and its locking: whoever has the
lock checks that the locked file is still the one at the path. A stale number could be read as the new holder's before
that one has written its own: a stale file is never written anew but replaced by an empty one.
"""

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from smithersd.errors import DaemonRuns, UserError

_PID_BYTES_MAX = 32
_PID_TEXT = re.compile(rb"[0-9]{1,31}\n?|\0+")
"""What a pidfile holds; NULs are what a power cut may leave of it."""
_LOOK_S = 0.1
"""Who only looks, or clears away, holds the lock for an instant; who holds it for longer than this is the daemon."""
_LOOK_POLL_S = 0.001


class PidFile:
    """This process's claim to a pidfile, from `acquire` to `release`.

    A `with` releases it at its end, and acquires it at its beginning where that has not been done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Lock the file and write our pid into it; one that nobody holds is replaced.

        Raises:
            DaemonRuns: another process holds it.
            UserError: it cannot be written.
        """
        try:
            self._descriptor = _locked(self.path)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            self.release()
            raise UserError(
                f"The pidfile {str(self.path)!r} cannot be written and locked: {error.strerror}.",
                remedy="Choose another --pid-file.",
            ) from error
        _held.add(self._descriptor)

    def release(self) -> None:
        """Remove the file while it is still ours, then let go of it."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            if _is_at(self._descriptor, self.path):
                self.path.unlink()
        _held.discard(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def held_pid(path: Path) -> int | None:
    """Return the pid in a pidfile that somebody holds, None where nobody does.

    It is a number of the holder's pid namespace, which need not be ours.
    """
    if not path.is_file():  # a pipe would keep us waiting, and a device knows what opening it does
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Shared, so that two who look do not take each other for the daemon.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written_pid(descriptor)
    except OSError:  # no locks on this file system: nobody can hold it
        return None
    finally:
        os.close(descriptor)
    return None


def remove_stale(path: Path) -> bool:
    """Remove a pidfile that nobody holds; return whether there was one.

    Raises:
        DaemonRuns: somebody holds it.
        UserError: it is not a pidfile.
    """
    if not path.exists():
        return False
    _check_regular(path)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _lock_soon(descriptor, path)
        if _is_at(descriptor, path):
            _unlink(descriptor, path)
            return True
    finally:
        os.close(descriptor)
    return False


def _locked(path: Path) -> int:
    """Open and lock an empty file at the path."""
    if path.exists():
        _check_regular(path)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock_soon(descriptor, path)
            if _is_at(descriptor, path):
                if os.fstat(descriptor).st_size == 0:
                    return descriptor
                _unlink(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock_soon(descriptor: int, path: Path) -> None:
    """Lock a pidfile, waiting for those who only look.

    Raises:
        DaemonRuns: its process holds it.
    """
    deadline_s = time.monotonic() + _LOOK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise _already_runs(path, _written_pid(descriptor)) from None
            time.sleep(_LOOK_POLL_S)
        else:
            return


def _unlink(descriptor: int, path: Path) -> None:
    """Remove a stale pidfile, and nothing that was named as one by mistake."""
    if os.fstat(descriptor).st_size and not _PID_TEXT.fullmatch(os.pread(descriptor, _PID_BYTES_MAX + 1, 0)):
        raise _not_a_pidfile(path)
    path.unlink()


def _check_regular(path: Path) -> None:
    """Refuse a device, a pipe or a folder before it is opened."""
    if not path.is_file():
        raise _not_a_pidfile(path)


def _not_a_pidfile(path: Path) -> UserError:
    return UserError(f"{str(path)!r} is not a pidfile; it is left as it is.", remedy="Choose another --pid-file.")


def _written_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_BYTES_MAX, 0).strip()
    return int(text) if text.isdigit() else None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _already_runs(path: Path, pid: int | None) -> DaemonRuns:
    who = "Another process" if pid is None else f"Process {pid}"
    return DaemonRuns(f"{who} holds the pidfile {str(path)!r}.", remedy="Name another with --pid-file.")


_held: set[int] = set()


def _close_in_child() -> None:
    """A forked worker of a task must not keep the lock after we were killed."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)

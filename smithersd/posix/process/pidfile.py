"""The pidfile of a run's daemon, correct under races.

The file holds the pid and nothing else, and is locked (flock) from before it is written until after it is removed.
So a lock that can be acquired means that no daemon lives, whatever pid is written: a stale file is recognised after
kill -9, after a reboot, and when another program has got the pid.

Two races, and how they are avoided. A file may be removed between its opening and its locking: after locking, the
holder checks that the locked file is still the one at the path. A stale pid could be read as the new holder's before
that has written its own: a stale file is never rewritten but replaced by an empty one.
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
from smithersd.posix.process.forks import keep_from_forks

_PID_BYTES_MAX = 32
_PID_TEXT = re.compile(rb"[0-9]{1,31}\n?|\0+")
"""The content of a pidfile; a power cut may leave NULs."""
_LOCK_WAIT_S = 0.1
"""How long to wait for a lock: readers and `remove_stale` hold it for an instant, only a daemon for longer."""
_LOCK_POLL_S = 0.001


class PidFile:
    """A pidfile that this process holds from `acquire` to `release`.

    A `with` acquires it, unless that was done before, and releases it at its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        keep_from_forks(self._descriptors)  # a task's forked worker must not keep the lock

    def acquire(self) -> None:
        """Lock the file and write this process's pid into it; a stale file is replaced.

        Raises:
            DaemonRuns: another process holds it.
            UserError: the file cannot be written and locked.
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

    def release(self) -> None:
        """Remove the file if it is still the locked one, then release the lock."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            if _is_at(self._descriptor, self.path):
                self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None

    def _descriptors(self) -> tuple[int, ...]:
        return () if self._descriptor is None else (self._descriptor,)

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def held_pid(path: Path) -> int | None:
    """Return the pid in a pidfile that is held; None if it is stale or missing.

    The pid is one of the holder's pid namespace, which need not be the caller's.
    """
    if not path.is_file():  # opening a pipe would block, and opening a device may have effects
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # A shared lock, so that two readers do not take each other for the daemon.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written_pid(descriptor)
    except OSError:  # this file system has no locks, so nobody holds it
        return None
    finally:
        os.close(descriptor)
    return None


def remove_stale(path: Path) -> bool:
    """Remove a stale pidfile; return whether there was one.

    Raises:
        DaemonRuns: another process holds the pidfile.
        UserError: the file is not a pidfile.
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
    """Open and lock an empty file at the path; return its descriptor."""
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
    """Lock a pidfile, waiting a moment for readers.

    Raises:
        DaemonRuns: a daemon holds the pidfile.
    """
    deadline_s = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise _already_runs(path, _written_pid(descriptor)) from None
            time.sleep(_LOCK_POLL_S)
        else:
            return


def _unlink(descriptor: int, path: Path) -> None:
    """Remove a stale pidfile, but no other file that was named by mistake."""
    if os.fstat(descriptor).st_size and not _PID_TEXT.fullmatch(os.pread(descriptor, _PID_BYTES_MAX + 1, 0)):
        raise _not_a_pidfile(path)
    path.unlink()


def _check_regular(path: Path) -> None:
    """Refuse a device, a pipe or a folder before it is opened."""
    if not path.is_file():
        raise _not_a_pidfile(path)


def _not_a_pidfile(path: Path) -> UserError:
    return UserError(f"{str(path)!r} is not a pidfile; it was not changed.", remedy="Choose another --pid-file.")


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

"""meta.json: which process has a run in hand and where it is reached, for commands on this machine. Never a token.

It is written as soon as the process holds its pidfile, and removed before that is let go. So a number in a
locked pidfile is believed only where this file says the same, and says that the process is one of this machine: a
lock is also seen from another container, where the same number is somebody else.

A process that stands by beside one that has the run in hand, with a pidfile of its own, is in standby.json until the
run is its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from smithersd.daemon.folder import RunFolder
from smithersd.daemon.pidfile import held_pid
from smithersd.engine import current_owner, is_owner_dead, owner_from
from smithersd.engine.owner import owner_text
from smithersd.errors import UserError
from smithersd.log import logger


@dataclass(frozen=True, slots=True)
class Presence:
    """A process that drives or serves a run.

    `owner` tells it from later ones, and it holds `pid_file`. `url` is None where it serves none or does not yet,
    `log_file` where it has none. `is_standby` says that it waits while another process drives the run.
    """

    pid: int
    owner: str
    pid_file: str
    started_at_ms: int
    url: str | None = None
    log_file: str | None = None
    is_standby: bool = False


_log = logger(__name__)

_ADAPTER = TypeAdapter(Presence)


class Announcement:
    """What this process has written down of itself."""

    def __init__(self, folder: RunFolder, place: Path, presence: Presence) -> None:
        self._folder = folder
        self._place = place
        self._presence = presence

    def tell(self, *, url: str | None, log_file: Path | None) -> None:
        """Add where the run is served and where its log lies."""
        self._presence = replace(self._presence, url=url, log_file=None if log_file is None else str(log_file))
        self._write()

    def stand_by(self) -> None:
        """Another process drives the run."""
        self._presence = replace(self._presence, is_standby=True)
        self._write()

    def take_run(self) -> None:
        """The run is this process's: whoever had it in hand before is written over."""
        if self._place == self._folder.meta_file and not self._presence.is_standby:
            return
        self.withdraw()
        self._presence = replace(self._presence, is_standby=False)
        self._place = self._folder.meta_file
        self._write()

    def withdraw(self) -> None:
        """Take it away, unless another process has taken the run over and written itself down."""
        _remove(self._place, self._presence)

    def _write(self) -> None:
        try:
            _write(self._place, self._presence)
        except OSError as error:
            _log.warning("Commands on this machine are not told where the run is served: %s", error)


@contextmanager
def announced(folder: RunFolder, *, pid_file: Path, now_ms: int) -> Iterator[Announcement]:
    """Write this process, which holds the pidfile, down for as long as the `with` lasts.

    Raises:
        UserError: the run's folder cannot be written.
    """
    place = folder.meta_file if read_presence(folder) is None else folder.standby_file
    presence = Presence(os.getpid(), owner_text(current_owner()), str(pid_file), now_ms)
    try:
        _write(place, presence)
    except OSError as error:
        raise UserError(f"{str(folder.path)!r} cannot be written: {error.strerror}.") from error
    announcement = Announcement(folder, place, presence)
    try:
        yield announcement
    finally:
        announcement.withdraw()


def read_presence(folder: RunFolder) -> Presence | None:
    """Return the process that has the run in hand; None where there is none, or it died without a word."""
    presence = last_presence(folder)
    if presence is None or is_owner_dead(presence.owner):
        return None
    return presence if held_pid(Path(presence.pid_file)) == presence.pid else None


def last_presence(folder: RunFolder) -> Presence | None:
    """Return the process that had the run in hand last and wrote itself down, be it dead or alive."""
    return _found(folder, folder.meta_file)


def is_run_process(folder: RunFolder, pid: int) -> bool:
    """Whether the holder of a pidfile of the run, which has this number, is known as its process on this machine."""
    return any(_is_here(one, pid) for one in presences(folder))


def stands_by(folder: RunFolder, pid: int) -> bool:
    """Whether the holder of a pidfile of the run, which has this number, waits while another process drives it."""
    return any(_is_here(one, pid) and one.is_standby for one in presences(folder))


def presences(folder: RunFolder) -> list[Presence]:
    """Return the processes that wrote themselves down: the one that has the run in hand, and one that stands by."""
    found = [_found(folder, file) for file in (folder.meta_file, folder.standby_file)]
    return [presence for presence in found if presence is not None]


def _is_here(presence: Presence, pid: int) -> bool:
    """Whether it is the process of this number on this machine, in our pid namespace."""
    return presence.pid == pid and owner_from(presence.owner).is_local


def forget_dead(folder: RunFolder) -> None:
    """Take away what processes that died have left of themselves."""
    for file in (folder.meta_file, folder.standby_file):
        presence = _read(file)
        if presence is not None and is_owner_dead(presence.owner):
            _remove(file, presence)


def _found(folder: RunFolder, file: Path) -> Presence | None:
    """Read a presence; whoever moved the folder moved the files of the process with it."""
    presence = _read(file)
    if presence is None:
        return None
    pid_file, log_file = presence.pid_file, presence.log_file
    if not Path(pid_file).exists() and folder.pid_file.exists():
        pid_file = str(folder.pid_file)
    if log_file is not None and not Path(log_file).exists() and folder.log_file.exists():
        log_file = str(folder.log_file)
    return replace(presence, pid_file=pid_file, log_file=log_file)


def _read(file: Path) -> Presence | None:
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(file: Path, presence: Presence) -> None:
    """Put the whole file there at once: nobody reads half of it."""
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        draft.touch(0o600)
        draft.write_bytes(_ADAPTER.dump_json(presence))
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def _remove(file: Path, ours: Presence) -> None:
    if _read(file) == ours:
        with suppress(OSError):
            file.unlink()

"""meta.json: which process has a run in hand and where it is reached, for commands on this machine. Never a token.

It is written as soon as the process holds the run's pidfile, and removed before that is let go. So a number in a
locked pidfile is believed only where this file says the same, and says that the process is one of this machine: a
lock is also seen from another container, where the same number is somebody else.
"""

import logging
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


@dataclass(frozen=True, slots=True)
class Presence:
    """A process that drives or serves a run.

    `owner` tells it from later ones, and it holds `pid_file`. `url` is None where it serves none or does not yet,
    `log_file` where it has none.
    """

    pid: int
    owner: str
    pid_file: str
    started_at_ms: int
    url: str | None = None
    log_file: str | None = None


_log = logging.getLogger(__name__)

_ADAPTER = TypeAdapter(Presence)


class Announcement:
    """What this process has written down of itself."""

    def __init__(self, folder: RunFolder, presence: Presence) -> None:
        self._folder = folder
        self.presence = presence

    def tell(self, *, url: str | None, log_file: Path | None) -> None:
        """Add where the run is served and where its log lies."""
        self.presence = replace(self.presence, url=url, log_file=None if log_file is None else str(log_file))
        try:
            _write(self._folder, self.presence)
        except OSError as error:
            _log.warning("Commands on this machine are not told where the run is served: %s", error)


@contextmanager
def announced(folder: RunFolder, *, pid_file: Path, now_ms: int) -> Iterator[Announcement]:
    """Write this process, which holds the pidfile, down for as long as the `with` lasts.

    Raises:
        UserError: the run's folder cannot be written.
    """
    presence = Presence(os.getpid(), owner_text(current_owner()), str(pid_file), now_ms)
    try:
        _write(folder, presence)
    except OSError as error:
        raise UserError(f"{str(folder.path)!r} cannot be written: {error.strerror}.") from error
    announcement = Announcement(folder, presence)
    try:
        yield announcement
    finally:
        _remove(folder, announcement.presence)


def read_presence(folder: RunFolder) -> Presence | None:
    """Return the process that has the run in hand; None where there is none, or it died without a word."""
    presence = last_presence(folder)
    if presence is None or is_owner_dead(presence.owner):
        return None
    return presence if held_pid(Path(presence.pid_file)) == presence.pid else None


def last_presence(folder: RunFolder) -> Presence | None:
    """Return the process that had the run in hand last and wrote itself down, be it dead or alive."""
    try:
        return _ADAPTER.validate_json(folder.meta_file.read_bytes())
    except (OSError, ValidationError):
        return None


def is_run_process(folder: RunFolder, pid: int) -> bool:
    """Whether the holder of the run's pidfile, which has this number, is known as its process on this machine."""
    presence = last_presence(folder)
    return presence is not None and presence.pid == pid and owner_from(presence.owner).is_local


def forget_dead(folder: RunFolder) -> None:
    """Take away what a process that died has left of itself."""
    presence = last_presence(folder)
    if presence is not None and is_owner_dead(presence.owner):
        _remove(folder, presence)


def _write(folder: RunFolder, presence: Presence) -> None:
    """Put the whole file there at once: nobody reads half of it."""
    draft = folder.meta_file.with_suffix(f".{os.getpid()}")
    try:
        draft.touch(0o600)
        draft.write_bytes(_ADAPTER.dump_json(presence))
        draft.replace(folder.meta_file)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def _remove(folder: RunFolder, ours: Presence) -> None:
    if last_presence(folder) != ours:
        return  # another process took the run over and wrote itself down
    with suppress(OSError):
        folder.meta_file.unlink()

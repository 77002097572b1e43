"""meta.json: which process has a run in hand and where it is reached, for commands on this machine. Never a token."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from smithersd.daemon.folder import RunFolder
from smithersd.engine import current_owner, is_owner_dead
from smithersd.engine.owner import owner_text


@dataclass(frozen=True, slots=True)
class Presence:
    """A process that drives or serves a run.

    `url` is None where it serves none, `owner` tells it from later ones, and it holds `pid_file`.
    """

    pid: int
    url: str | None
    owner: str
    pid_file: str
    log_file: str | None


_log = logging.getLogger(__name__)

_ADAPTER = TypeAdapter(Presence)


@contextmanager
def announced(folder: RunFolder, *, url: str | None, pid_file: Path, log_file: Path | None) -> Iterator[None]:
    """Write this process down for as long as the `with` lasts."""
    log = None if log_file is None else str(log_file)
    presence = Presence(os.getpid(), url, owner_text(current_owner()), str(pid_file), log)
    try:
        _write(folder, _ADAPTER.dump_json(presence))
    except OSError as error:
        _log.warning("Commands on this machine will not find this process: %s", error)
    try:
        yield
    finally:
        _remove(folder, presence)


def read_presence(folder: RunFolder) -> Presence | None:
    """Return the process that has the run in hand; None where there is none, or it died without a word."""
    presence = last_presence(folder)
    return None if presence is None or is_owner_dead(presence.owner) else presence


def last_presence(folder: RunFolder) -> Presence | None:
    """Return the process that had the run in hand last and wrote itself down, be it dead or alive."""
    try:
        return _ADAPTER.validate_json(folder.meta_file.read_bytes())
    except (OSError, ValidationError):
        return None


def forget_dead(folder: RunFolder) -> None:
    """Take away what a process that died has left of itself."""
    presence = last_presence(folder)
    if presence is not None and is_owner_dead(presence.owner):
        _remove(folder, presence)


def _write(folder: RunFolder, text: bytes) -> None:
    """Put the whole file there at once: nobody reads half of it."""
    folder.make()
    draft = folder.meta_file.with_suffix(f".{os.getpid()}")
    draft.touch(0o600)
    draft.write_bytes(text)
    draft.replace(folder.meta_file)


def _remove(folder: RunFolder, ours: Presence) -> None:
    if last_presence(folder) != ours:
        return  # another process took the run over and wrote itself down
    with suppress(OSError):
        folder.meta_file.unlink()

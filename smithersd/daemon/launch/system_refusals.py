"""Errors of the operating system that the operator can correct: no permission, a read-only disk, no folder."""

import errno
import os
from pathlib import Path

from smithersd.errors import InvalidRequest, UserError


def refusal_of(error: OSError) -> UserError | None:
    """Return an operating system's error as a UserError with a remedy; None if it is a bug of smithersd."""
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)!r}: "
    match error.errno:
        case errno.ENOENT if not _has_working_directory():
            return InvalidRequest("The working directory no longer exists.", remedy="Change to one that exists.")
        case errno.EACCES | errno.EPERM:
            remedy = "Run as its owner, or name another folder with --state-folder."
            return InvalidRequest(f"{place}permission denied.", remedy=remedy)
        case errno.EROFS:
            remedy = "Name a writable folder with --state-folder."
            return InvalidRequest(f"{place}the file system is read-only.", remedy=remedy)
        case _:
            return None


def home_folder() -> Path:
    """Return the user's home folder.

    Raises:
        InvalidRequest: HOME is not set, and the user has no passwd entry.
    """
    try:
        return Path.home()
    except RuntimeError:
        raise InvalidRequest("The home folder of this user is not known.", remedy="Set HOME.") from None


def _has_working_directory() -> bool:
    try:
        return Path.cwd().exists()
    except OSError:
        return False

"""What the operating system may refuse and the operator can mend: no permission, a read-only disk, no folder."""

import errno
import os
from pathlib import Path

from smithersd.errors import InvalidRequest, UserError


def refusal_of(error: OSError) -> UserError | None:
    """Say what the system refused, and what may be done about it; None where that would be a fault of ours."""
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)!r}: "
    match error.errno:
        case errno.ENOENT if not _has_working_directory():
            return InvalidRequest("The working directory no longer exists.", remedy="Change to one that does.")
        case errno.EACCES | errno.EPERM:
            remedy = "Work as its owner, or name another folder with --state-folder."
            return InvalidRequest(f"{place}permission denied.", remedy=remedy)
        case errno.EROFS:
            remedy = "Name a folder that can be written with --state-folder."
            return InvalidRequest(f"{place}the file system is read-only.", remedy=remedy)
        case _:
            return None


def home_folder() -> Path:
    """Return the user's home.

    Raises:
        InvalidRequest: HOME is not set, and the user has no entry of its own.
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

"""Raise the limit of open files as far as the system allows, up to FILES_MAX.

Every client and every command needs some, and the usual soft limit of 1,024 exists for programs that use select().
"""

import resource

from smithersd.limits import FILES_MAX
from smithersd.loggers import logger

_log = logger(__name__)


def raise_files_limit() -> None:
    """Raise the soft limit to FILES_MAX, or to the hard limit if that is lower; a higher limit stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # a sandbox, or a system that allows less than its hard limit
        _log.info("The limit of open files could not be raised and stays at %d: %s.", soft, error)

"""A shortage of system resources: no more files, processes, threads or memory.

It is temporary and not the workflow's fault, so an attempt waits instead of failing.
"""

import errno

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS})


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that the system has no resources left."""
    if isinstance(error, OSError):
        return error.errno in _SHORTAGES
    # threading raises nothing more specific than RuntimeError.
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error))

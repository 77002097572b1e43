"""When the system has no room for an attempt at present: no file, no process, no thread, no memory more.

That is nobody's fault in the workflow and passes, so the attempt waits instead of failing.
"""

import errno

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS})


def is_shortage(error: BaseException) -> bool:
    """Whether something could not be started only because there is too much already."""
    if isinstance(error, OSError):
        return error.errno in _SHORTAGES
    # All that threading says of it.
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error))

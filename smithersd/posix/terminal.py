"""The terminal that a process was started from."""

import os


def has_terminal() -> bool:
    """Return whether this process has a controlling terminal, which sends SIGHUP when it is closed.

    After such a hang-up there is no terminal any more, so this distinguishes a hang-up from a SIGHUP sent by a process.
    """
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(descriptor)
    return True

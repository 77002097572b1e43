"""The terminal that a process was started from."""

import os


def has_terminal() -> bool:
    """Whether this process has a controlling terminal, which sends SIGHUP when it goes away.

    After a hang-up there is none any more, so this distinguishes a hang-up from a SIGHUP that was sent.
    """
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(descriptor)
    return True

"""The terminal that a process was started from."""

import os


def has_terminal() -> bool:
    """Whether this process has a controlling terminal, which sends SIGHUP when it goes away.

    Afterwards there is none any more, so this tells a hang-up from a SIGHUP that somebody sent.
    """
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(descriptor)
    return True

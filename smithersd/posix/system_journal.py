"""Log lines for the system's journal (journald): each begins with its priority, and has no time.

systemd names the journal's stream in JOURNAL_STREAM, as device and inode, and reads a line's priority from "<N>" at its
start (systemd.exec(5), sd-daemon(3)). The journal adds the time itself.
"""

import logging
import os
from contextlib import suppress
from typing import TextIO

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7


def is_journal(stream: TextIO | None) -> bool:
    """Return whether a stream is connected to the journal."""
    named = os.environ.get("JOURNAL_STREAM")
    if stream is None or named is None:
        return False
    with suppress(OSError, ValueError):  # a stream without a descriptor
        status = os.fstat(stream.fileno())
        return named == f"{status.st_dev}:{status.st_ino}"
    return False


def with_priority(text: str, level: int) -> str:
    r"""Put the priority before each line of a text; `level` is a level of `logging`.

    >>> with_priority("one\ntwo", logging.WARNING)
    '<4>one\n<4>two'
    """
    priority = next((number for least, number in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))

"""What /proc says of a process's signals."""

import re
import signal


def ignored_or_blocked(status: str) -> set[int]:
    """The signals that a process with this /proc/PID/status ignores or blocks.

    Numbers 32 and 33 are not among them: the C library keeps them for itself, lets nobody see or change them, and may
    leave them ignored.
    """
    masks = [int(mask, 16) for mask in re.findall(r"^Sig(?:Blk|Ign):\s*(\w+)$", status, re.MULTILINE)]
    assert len(masks) == 2, status
    return {number for number in signal.valid_signals() for mask in masks if mask >> number - 1 & 1}

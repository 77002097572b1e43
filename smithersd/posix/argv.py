"""What `ps` shows of this process: its arguments, without what is secret in them."""

import ctypes
import os
from pathlib import Path

_ARG_START = 45
"""Where /proc/PID/stat says at which address the arguments begin, counted from behind the program's name."""


def hide_in_arguments(secret: str) -> None:
    """Overwrite a secret that somebody has typed as an argument. Elsewhere than on Linux it stays."""
    hidden = os.fsencode(secret)
    try:
        shown = Path("/proc/self/cmdline").read_bytes()
        begin = int(Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()[_ARG_START])
    except (OSError, IndexError, ValueError):
        return
    at = shown.find(hidden)
    if begin and at >= 0:
        ctypes.memset(begin + at, ord("x"), len(hidden))

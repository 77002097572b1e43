"""The arguments that `ps` shows of this process, with secrets overwritten."""

import ctypes
import os
from pathlib import Path

_ARG_START = 45
"""The index of arg_start in /proc/PID/stat, counted after the program's name."""


def hide_in_arguments(secret: str) -> None:
    """Overwrite a secret in this process's arguments; do nothing on systems other than Linux."""
    hidden = os.fsencode(secret)
    try:
        shown = Path("/proc/self/cmdline").read_bytes()
        begin = int(Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()[_ARG_START])
    except (OSError, IndexError, ValueError):
        return
    at = shown.find(hidden)
    if begin and at >= 0:
        ctypes.memset(begin + at, ord("x"), len(hidden))

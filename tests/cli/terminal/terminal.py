"""A command on a terminal of its own."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress

from tests.support.waiting import DEADLINE_S


def on_terminal(*arguments: str, code: int = 0, **environment: str) -> str:
    """Run a command; return what it wrote there. COLUMNS and LINES are the terminal's size, 80 by 24 if not given."""
    controller, terminal = pty.openpty()
    inherited = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}}
    columns, lines = int(environment.pop("COLUMNS", "80")), int(environment.pop("LINES", "24"))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    command = [sys.executable, "-m", "smithersd", *arguments]
    environment = {**inherited, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    parts = []
    with suppress(OSError):  # what a controller reads when the last of the other side has closed
        while part := os.read(controller, 65_536):
            parts.append(part)
    os.close(controller)
    assert process.wait(DEADLINE_S) == code, b"".join(parts)
    return b"".join(parts).decode()


def plain(written: str) -> str:
    """What was written to a terminal without styles and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written).replace("\r", "")

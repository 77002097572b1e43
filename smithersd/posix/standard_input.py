"""The stdin of a process that runs a workflow: empty, so that no task waits for a key."""

import os
import sys
from pathlib import Path

_STDIN = 0


def empty_stdin() -> None:
    """Replace stdin by an empty file, in this process and in those that tasks start.

    The terminal stays this process's controlling one: its signals come as before.
    """
    with Path(os.devnull).open("rb", buffering=0) as null:
        os.dup2(null.fileno(), _STDIN)
    if sys.stdin is sys.__stdin__:  # what it has read ahead goes too; what an author has put there is theirs
        sys.stdin = open(_STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as we live

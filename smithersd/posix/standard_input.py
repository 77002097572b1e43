"""The stdin of a process that runs a workflow: empty, so that no task waits for input."""

import os
import sys
from pathlib import Path

_STDIN = 0


def empty_stdin() -> None:
    """Replace stdin by an empty file, in this process and in those that tasks start.

    The terminal stays the controlling one, so its signals still arrive.
    """
    with Path(os.devnull).open("rb", buffering=0) as null:
        os.dup2(null.fileno(), _STDIN)
    if sys.stdin is sys.__stdin__:  # drop what it has buffered, but keep an author's own sys.stdin
        sys.stdin = open(_STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives

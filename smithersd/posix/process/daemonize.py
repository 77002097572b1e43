"""Daemonize this process: leave the starter's session, keep its umask, working directory and limits."""

import os
import signal
from pathlib import Path

from daemon import DaemonContext

_IGNORED_BY_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that Python itself ignores."""


def daemonize(*, output: int, kept: int) -> None:
    """Detach from the starter's session and terminal; stdout and stderr go to the descriptor `output`.

    The umask, the working directory and the limits stay. All descriptors but `output` and `kept` are closed, and
    signals that the starter ignored or blocked (nohup, a script's background job) get their default action again.
    """
    with os.fdopen(output, "ab", closefd=False) as stdio:
        DaemonContext(
            detach_process=True,
            working_directory=str(Path.cwd()),
            umask=_umask(),
            prevent_core=False,
            files_preserve=[output, kept],
            stdout=stdio,
            stderr=stdio,
            signal_map={},
        ).open()
    os.set_inheritable(output, False)  # noqa: FBT003 - the standard library's own signature
    _reset_signals()


def _reset_signals() -> None:
    for signum in signal.valid_signals() - _IGNORED_BY_PYTHON:
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

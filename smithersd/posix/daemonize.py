"""Becoming a daemon: what a process sheds of whoever started it, and what it keeps."""

import os
import signal
from pathlib import Path

from daemon import DaemonContext

_INTERPRETERS_OWN = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that Python itself ignores."""


def daemonize(*, output: int, kept: int) -> None:
    """Leave the session and the terminal of whoever started us; stdout and stderr go to `output`.

    The umask, the working directory and the limits stay. All descriptors but these two are closed, and signals that
    the starter ignored or blocked (nohup, a script's background job) are not.
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
    _heed_signals()


def _heed_signals() -> None:
    for number in signal.valid_signals() - _INTERPRETERS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

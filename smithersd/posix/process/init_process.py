"""Process 1 of a container: it passes signals on, reaps orphans, and ends with the exit code of its child.

The kernel treats process 1 unlike all others: a signal without a handler is dropped (a SIGTERM during an import would
be lost), and orphans of the whole container become its children. So a process that finds itself to be process 1 forks
first, and the child is a process like any other.
"""

import os
import signal

_SI_KERNEL = 0x80
"""The si_code of a signal from the terminal, which the whole foreground group has already received."""
_SIGNAL_CODE_BASE = 128


def split_from_process_1() -> None:
    """Fork and continue in the child if this process is process 1, which itself never returns.

    Call it before any thread is started.
    """
    if os.getpid() != 1:
        return
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    os._exit(_exit_code_of(child))


def _exit_code_of(child: int) -> int:
    """Serve as process 1 until the child has ended; return the exit code for its end."""
    while True:
        received = signal.sigwaitinfo(signal.valid_signals())
        if received.si_signo == signal.SIGCHLD:
            status = _reaped_status(child)
            if status is not None:
                return status
        elif received.si_code != _SI_KERNEL:
            os.kill(child, received.si_signo)


def _reaped_status(child: int) -> int | None:
    """Reap all children that have ended; return the exit code of `child` if it is one of them."""
    status = None
    while True:
        try:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == child:
            code = os.waitstatus_to_exitcode(wait_status)
            status = code if code >= 0 else _SIGNAL_CODE_BASE - code

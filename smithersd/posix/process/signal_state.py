"""The signal state that a process inherits from its starter, reset before anything depends on it.

- SIGCHLD ignored (a shell's `trap '' CHLD`): the kernel reaps children itself, and every exit code is lost.
- Blocked signals: SIGTERM would never arrive.
- SIGINT and SIGHUP ignored (`command &` in a script, nohup): that is intended, and stays.
"""

import signal


def reset_inherited_signals() -> None:
    """Restore SIGCHLD and unblock all signals; call it in the main thread, before any child is started."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

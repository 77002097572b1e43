"""Start commands that die with this process, even by kill -9, through the kernel's parent-death signal.

The kernel kills such a command when the thread that started it ends. That is the thread of the event loop: for
`smithers up` the main one, which ends with the process. Where an engine's loop runs in another thread, its commands
end with that thread.

The signal (PR_SET_PDEATHSIG) has to be requested between fork and exec, in the child. Python's `preexec_fn` could do
it, but it replaces vfork by a fork of the whole process: the loop blocks for 2 ms in a small process and for 30 ms in
one of 1 GB, and every library's fork handlers run (OpenBLAS waits in its own until its threads are done). util-linux's
`setpriv` costs the child a millisecond and this process nothing.

The signal reaches the command alone, not the processes that it started: `daemon/guard.py` ends those, and before the
run goes on `engine/attempts/orphans.py` looks for them again. Both also end a command during whose start this process
was killed, and all commands where there is no setpriv (a bare Alpine).
"""

import shutil
from functools import lru_cache
from pathlib import Path


def with_parent_death_signal(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line that runs `argv` so that it dies with this process; `argv` itself without setpriv.

    If the program of `argv` cannot be run, only setpriv's exit code says so: see `executors/shell/program.py`.
    """
    setpriv = _setpriv()
    return argv if setpriv is None else (setpriv, "--pdeathsig", "KILL", "--", *argv)


@lru_cache(maxsize=1)
def _setpriv() -> str | None:
    """Return the path of util-linux's setpriv; the one of busybox has no --pdeathsig."""
    found = shutil.which("setpriv")
    return found if found is not None and Path(found).resolve().name == "setpriv" else None

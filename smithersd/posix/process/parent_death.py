"""A command that dies with this process, also by kill -9: the kernel kills it when the thread that started it ends.

That thread is the loop's, which for `smithers up` is the main one: it ends with the process. Where an engine's loop
runs in another thread, its commands end with that.

The signal (PR_SET_PDEATHSIG) has to be asked for between fork and exec, in the child. Python's `preexec_fn` could do
it, but it trades vfork for a fork of the whole process: the loop stands still for 2 ms in a small one and for 30 ms in
one of 1 GB, and every library's fork handlers run (OpenBLAS waits in its own until its threads have done). util-linux's
`setpriv` costs the child a millisecond and us nothing.

It reaches the command alone, not what that has started: `daemon/guard.py` ends the rest, and before the run goes on
`engine/attempts/orphans.py` looks once more. They also see to a command that we were killed amid the start of, and to
all of them where there is no setpriv (a bare Alpine).
"""

import shutil
from functools import lru_cache
from pathlib import Path


def with_parent_death_signal(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line that runs `argv` so that it dies with this process.

    An invalid `argv` would only show by an exit code: see `executors/shell/program.py`.
    """
    setpriv = _setpriv()
    return argv if setpriv is None else (setpriv, "--pdeathsig", "KILL", "--", *argv)


@lru_cache(maxsize=1)
def _setpriv() -> str | None:
    """Return the path of util-linux's setpriv; the one of busybox has no --pdeathsig."""
    found = shutil.which("setpriv")
    return found if found is not None and Path(found).resolve().name == "setpriv" else None

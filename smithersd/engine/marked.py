"""Processes that carry a mark in their environment, whatever sessions and parents they have gone through: found, ended.

A process is recognised by its mark alone: a process id may belong to anybody by now. Signals go through pidfds; where
the kernel gives out none, right after the mark was looked at again.

As a program of its own it waits at its stdin until whoever started it is gone, and ends the processes with the marks
that it was told last, each line being a JSON list of marks:

    python -I -S marked.py VARIABLE GRACE_S

That is why this file needs nothing but the standard library.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_KILL_WAIT_S = 2.0
"""How long it is waited for what got SIGKILL; only a process that hangs in the kernel takes longer."""
_LOOK_S = 0.05
"""How often it is looked for new ones: a process that is about to end may still start others."""
_QUIET_LOOKS = 3
"""How often in a row nothing must be found: amid an exec a process shows no environment for an instant."""


def end_marked(variable: str, marks: frozenset[str], grace_s: float) -> tuple[int, set[int]]:
    """End the processes in whose environment the variable is one of the marks: SIGTERM, and after the grace SIGKILL.

    Returns how many there were, and the ids of those that did not end.
    """
    entries = frozenset(f"{variable}={mark}".encode() for mark in marks)
    found: set[int] = set()
    left: set[int] = set()
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILL_WAIT_S)):
        left = _signal_until_gone(entries, number, patience_s, found)
        if not left:
            break
    return len(found), left


def _signal_until_gone(
    entries: frozenset[bytes], number: signal.Signals, patience_s: float, found: set[int]
) -> set[int]:
    """Signal each process once, also those that appear meanwhile; return the ids of those that are left in the end."""
    told: set[int] = set()
    quiet_looks = 0
    deadline_s = time.monotonic() + patience_s
    while True:
        with _marked_processes(entries) as processes:
            for pid in processes.keys() - told:
                _signal(pid, processes[pid], number)
            told |= processes.keys()
            found |= told
            quiet_looks = 0 if processes else quiet_looks + 1
            if quiet_looks == _QUIET_LOOKS or (processes and time.monotonic() > deadline_s):
                return set(processes)
            _await_one(processes.values())


def _signal(pid: int, pidfd: int | None, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        for each in (signum, signal.SIGCONT):  # one that is halted could not end
            if pidfd is None:
                os.kill(pid, each)
            else:
                signal.pidfd_send_signal(pidfd, each)


def _await_one(pidfds: Iterable[int | None]) -> None:
    """Wait until one of the processes has ended, for an instant at most."""
    poll = select.poll()
    for pidfd in pidfds:
        if pidfd is not None:
            poll.register(pidfd, select.POLLIN)
    poll.poll(_LOOK_S * 1000)


@contextmanager
def _marked_processes(entries: frozenset[bytes]) -> Iterator[dict[int, int | None]]:
    """Open the processes that carry one of the marks: pidfds by pid, None where the kernel gives out none."""
    opened: dict[int, int | None] = {}
    try:
        for pid in _process_ids():
            if _is_marked(pid, entries):
                with suppress(ProcessLookupError):
                    opened[pid] = _opened(pid)
        # Looked at again now that they are held: a number may have changed hands in between.
        yield {pid: pidfd for pid, pidfd in opened.items() if _is_marked(pid, entries)}
    finally:
        for pidfd in opened.values():
            if pidfd is not None:
                os.close(pidfd)


def _opened(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):  # an old kernel, another system, or a sandbox that refuses it
        return None


def _process_ids() -> list[int]:
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - names are all that is wanted
    except OSError:  # another system
        return []
    return [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]


def _is_marked(pid: int, entries: frozenset[bytes]) -> bool:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has ended, or is another user's
        return False
    return not entries.isdisjoint(environ.split(b"\0"))


def _guard(variable: str, grace_s: float) -> None:
    """End what is marked when stdin ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    marks: list[str] = []
    for line in sys.stdin.buffer:
        with suppress(ValueError):  # it was killed amid a line
            marks = json.loads(line)
    if marks:
        end_marked(variable, frozenset(marks), grace_s)


if __name__ == "__main__":
    _guard(sys.argv[1], float(sys.argv[2]))

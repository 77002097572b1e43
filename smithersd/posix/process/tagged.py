"""Find and end processes by a tag in their environment, whatever their session and parent are.

A process is recognised by its tag alone (`VARIABLE=VALUE`), since a pid may have been reused. A process that was forked
without an exec still shows its parent's environment, so it is recognised by its pid and start time. Signals go through
pidfds; where the kernel has none, the process is checked again right before each signal.

As a program it reads its stdin until the starter has ended, and then ends the processes that it read of: each line is
a JSON list of tags, which replaces the list before it, or the pid of a forked process.

    python -I -S tagged.py GRACE_S

For that it imports only the standard library.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_KILL_WAIT_S = 2.0
"""How long to wait after SIGKILL; only a process that hangs in the kernel takes longer."""
_SCAN_INTERVAL_S = 0.05
"""How often to look for processes: one that is about to end may still start others."""
_EMPTY_SCANS = 3
"""How many times in a row nothing must be found: during an exec a process shows no environment for an instant."""


StartTimes = Mapping[int, str]
"""The start times of forked processes, by pid, as the kernel reports them."""


def end_tagged(tags: Iterable[str], grace_s: float, forked: StartTimes | None = None) -> tuple[int, set[int]]:
    """End the processes with one of the tags, and the forked ones: SIGTERM, and after `grace_s` seconds SIGKILL.

    Return how many there were, and the pids of those that did not end.
    """
    targets = _Targets(frozenset(tag.encode() for tag in tags), dict(forked or {}))
    found: set[int] = set()
    left: set[int] = set()
    for signum, timeout_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILL_WAIT_S)):
        left = _signal_until_gone(targets, signum, timeout_s, found)
        if not left:
            break
    return len(found), left


@dataclass(frozen=True)
class _Targets:
    """Which processes to end: those with one of the tags, and the forked ones."""

    tags: frozenset[bytes]
    forked: StartTimes

    def __contains__(self, pid: int) -> bool:
        if pid in self.forked:
            return _start_time(pid) == self.forked[pid]
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            return False
        return not self.tags.isdisjoint(environ.split(b"\0"))


def _signal_until_gone(targets: _Targets, signum: signal.Signals, timeout_s: float, found: set[int]) -> set[int]:
    """Signal each process once, also those that appear later; return the pids of those that have not ended."""
    signalled: set[int] = set()
    empty_scans = 0
    deadline_s = time.monotonic() + timeout_s
    while True:
        with _opened_processes(targets) as processes:
            for pid in processes.keys() - signalled:
                _signal(pid, processes[pid], signum)
            signalled |= processes.keys()
            found |= signalled
            empty_scans = 0 if processes else empty_scans + 1
            if empty_scans == _EMPTY_SCANS or (processes and time.monotonic() > deadline_s):
                return set(processes)
            _wait_for_exit(processes.values())


def _signal(pid: int, pidfd: int | None, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        for each in (signum, signal.SIGCONT):  # a stopped process could not end
            if pidfd is None:
                os.kill(pid, each)
            else:
                signal.pidfd_send_signal(pidfd, each)


def _wait_for_exit(pidfds: Iterable[int | None]) -> None:
    """Wait until one of the processes has ended, for _SCAN_INTERVAL_S at most."""
    poll = select.poll()
    for pidfd in pidfds:
        if pidfd is not None:
            poll.register(pidfd, select.POLLIN)
    poll.poll(_SCAN_INTERVAL_S * 1000)


@contextmanager
def _opened_processes(targets: _Targets) -> Iterator[dict[int, int | None]]:
    """Yield a pidfd for each process to end, by pid; None where the kernel has no pidfds."""
    opened: dict[int, int | None] = {}
    try:
        for pid in _process_ids():
            if pid in targets:
                with suppress(ProcessLookupError):
                    opened[pid] = _opened(pid)
        # Checked again now that they are open: a pid may have been reused in between.
        yield {pid: pidfd for pid, pidfd in opened.items() if pid in targets}
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


def _start_time(pid: int) -> str | None:
    """Return the start time of a process; None if it has ended or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    has_threads = int(fields[17]) > 1  # only its first one may have ended
    return None if fields[0] in {"Z", "X"} and not has_threads else fields[19]


def _guard(grace_s: float) -> None:
    """End the tagged and forked processes when stdin ends."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    tags: list[str] = []
    forked: dict[int, str] = {}
    for line in sys.stdin.buffer:
        with suppress(ValueError):  # the starter was killed while writing a line
            message = json.loads(line)
            if isinstance(message, list):
                tags = message
            elif (started := _start_time(message)) is not None:
                forked = {pid: at for pid, at in forked.items() if _start_time(pid) == at} | {message: started}
    if tags or forked:
        end_tagged(tags, grace_s, forked)


if __name__ == "__main__":
    _guard(float(sys.argv[1]))

"""What shell attempts left behind when their engine was killed: ended before the run goes on.

The command itself dies with its engine (`executors/parent_death.py`); its children do not, and an attempt must not meet
what is left of the one before it. Each process of an attempt carries a mark in its environment, whatever sessions and
parents it has gone through, and is recognised by that alone: a process id may belong to anybody by now. The mark holds
the run's start too, since another store may well have a run of the same name.

They get what a stop would have given them: SIGTERM, and after the grace SIGKILL. What runs on another host, as another
user, or threw its environment away stays.
"""

import asyncio
import logging
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smithersd.config import ATTEMPT_MARK_VARIABLE, STOP_GRACE_S
from smithersd.core.fold import NodeKey, RunState
from smithersd.core.states import AttemptState
from smithersd.elements import NodeKind

_log = logging.getLogger(__name__)

_KILL_WAIT_S = 2.0
"""How long it is waited for what got SIGKILL; only a process that hangs in the kernel takes longer."""
_LOOK_S = 0.05
"""How often it is looked for new ones: a process that is about to end may still start others."""


def mark_of(run: RunState, key: NodeKey, attempt: int) -> str:
    """Return the mark of a shell attempt, the same after a resumption and like no other's."""
    node_id, iteration = key
    return f"{run.run_id}/{node_id}/{iteration}/{attempt}/{run.started_at_ms}"


async def end_leftovers(run: RunState) -> None:
    """End what is left of the shell attempts that the log has as running. The caller holds the run's lease.

    Looks at the machine's processes only where there are such attempts.
    """
    entries = frozenset(f"{ATTEMPT_MARK_VARIABLE}={mark}".encode() for mark in _marks_of_running_shells(run))
    if not entries:
        return
    ended, left = await asyncio.to_thread(_end_all, entries)
    if ended:
        _log.warning("%s: ended %d processes that its interrupted commands had left behind", run.run_id, ended)
    if left:
        _log.error("%s: processes %s of interrupted commands do not end", run.run_id, sorted(left))


def _marks_of_running_shells(run: RunState) -> Iterator[str]:
    for node in run.nodes.values():
        if node.kind is NodeKind.SHELL and node.attempts and node.attempts[-1].state is AttemptState.IN_PROGRESS:
            yield mark_of(run, node.key, node.attempt)


def _end_all(entries: frozenset[bytes]) -> tuple[int, set[int]]:
    """Return how many processes there were, and the ids of those that did not end."""
    found: set[int] = set()
    left: set[int] = set()
    for number, patience_s in ((signal.SIGTERM, STOP_GRACE_S), (signal.SIGKILL, _KILL_WAIT_S)):
        left = _signal_until_gone(entries, number, patience_s, found)
        if not left:
            break
    return len(found), left


def _signal_until_gone(
    entries: frozenset[bytes], number: signal.Signals, patience_s: float, found: set[int]
) -> set[int]:
    """Signal each process once, also those that appear meanwhile; return the ids of those that are left in the end."""
    told: set[int] = set()
    deadline_s = time.monotonic() + patience_s
    while True:
        with _marked_processes(entries) as processes:
            for pid in processes.keys() - told:
                _signal(processes[pid], number)
            told |= processes.keys()
            found |= told
            if not processes or time.monotonic() > deadline_s:
                return set(processes)
            _await_one(processes.values())


def _signal(pidfd: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(pidfd, number)
        signal.pidfd_send_signal(pidfd, signal.SIGCONT)  # one that is halted could not end


def _await_one(pidfds: Iterable[int]) -> None:
    """Wait until one of the processes has ended, for an instant at most."""
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    poll.poll(_LOOK_S * 1000)


@contextmanager
def _marked_processes(entries: frozenset[bytes]) -> Iterator[dict[int, int]]:
    """Open the processes that carry one of the marks: pidfds by pid."""
    opened: dict[int, int] = {}
    try:
        for pid in _process_ids():
            if _is_marked(pid, entries):
                with suppress(OSError):
                    opened[pid] = os.pidfd_open(pid)
        # Looked at again now that they are held: a number may have changed hands in between.
        yield {pid: pidfd for pid, pidfd in opened.items() if _is_marked(pid, entries)}
    finally:
        for pidfd in opened.values():
            os.close(pidfd)


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

"""Pruning: runs that ended long ago are deleted, with what their processes left on this machine."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

from smithersd.daemon.state.folder import RunFolder, StateFolder
from smithersd.daemon.state.process_record import read_process_record
from smithersd.errors import DaemonRuns
from smithersd.limits import RUNS_PER_PRUNE_PAGE
from smithersd.posix.pidfile import PidFile
from smithersd.store import Store
from smithersd.store.records import EndedRun


@dataclass(frozen=True, slots=True)
class PruneCandidate:
    """A run that is old enough, and why it is kept all the same; None where it is not."""

    run: EndedRun
    kept_because: str | None


async def prune_runs(
    store: Store, folder: StateFolder, *, finished_before_ms: int, is_dry_run: bool
) -> AsyncIterator[PruneCandidate]:
    """Delete the runs that ended before a time, the oldest first, and yield each when that is done.

    Live and suspended runs have not ended. A run that has a process here is kept, and one from which a live run takes
    over what was done. With `is_dry_run` nothing is deleted.
    """
    last: EndedRun | None = None
    while page := await store.ended_runs(finished_before_ms=finished_before_ms, after=last, limit=RUNS_PER_PRUNE_PAGE):
        for run in page:
            kept_because = _why_kept(run, folder)
            if kept_because is None and not is_dry_run:
                kept_because = await _prune(store, folder, run, finished_before_ms)
            yield PruneCandidate(run, kept_because)
        last = page[-1]


def _why_kept(run: EndedRun, folder: StateFolder) -> str | None:
    if run.is_needed:
        return "a live run takes over what it has done"
    process_record = read_process_record(folder.run(run.run_id))
    return None if process_record is None else f"process {process_record.pid} has it in hand"


async def _prune(store: Store, folder: StateFolder, run: EndedRun, finished_before_ms: int) -> str | None:
    """Delete a run; return why it could not be.

    The folder goes first: what is cut short after that is still found in the store.
    """
    run_folder = folder.runs().get(run.run_id)
    try:
        if run_folder is not None:
            await asyncio.to_thread(_remove, run_folder)
    except DaemonRuns as error:
        return error.message
    except OSError as error:
        return f"its folder cannot be removed: {error}"
    is_pruned = await store.prune_run(run.run_id, finished_before_ms=finished_before_ms)
    return None if is_pruned else "a live run takes over what it has done"


def _remove(folder: RunFolder) -> None:
    with PidFile(folder.pid_file):  # nobody takes the run in hand meanwhile
        shutil.rmtree(folder.path)

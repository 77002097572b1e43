"""Pruning: delete runs that ended long ago, with their folders on this machine."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

from smithersd.daemon.state.folder import RunFolder, StateFolder
from smithersd.daemon.state.process_record import read_process_record
from smithersd.errors import DaemonRuns
from smithersd.limits import RUNS_PER_PRUNE_PAGE
from smithersd.posix.process.pidfile import PidFile
from smithersd.store import Store
from smithersd.store.records import EndedRun


@dataclass(frozen=True, slots=True)
class PruneCandidate:
    """A run that is old enough to prune; `kept_because` says why it is kept, None if it is not."""

    run: EndedRun
    kept_because: str | None


async def prune_runs(
    store: Store, folder: StateFolder, *, finished_before_ms: int, is_dry_run: bool
) -> AsyncIterator[PruneCandidate]:
    """Delete the runs that ended before a time, the oldest first, and yield each when that is done.

    Live and suspended runs have not ended. A run that has a process here is kept, and one whose outputs a live run
    reuses. With `is_dry_run` nothing is deleted.
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
        return "a live run reuses its outputs"
    process_record = read_process_record(folder.run(run.run_id))
    return None if process_record is None else f"process {process_record.pid} holds it"


async def _prune(store: Store, folder: StateFolder, run: EndedRun, finished_before_ms: int) -> str | None:
    """Delete a run; return the reason if it could not be.

    The folder goes first: if this is interrupted, the run is still found in the store.
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
    return None if is_pruned else "a live run reuses its outputs"


def _remove(folder: RunFolder) -> None:
    with PidFile(folder.pid_file):  # no process can take the run during that
        shutil.rmtree(folder.path)

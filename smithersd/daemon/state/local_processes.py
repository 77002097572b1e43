"""Which runs have, or had, a process on this machine, and where its pidfile is."""

from pathlib import Path

from smithersd.core.log.states import RunStatus
from smithersd.daemon.state.folder import RunFolder, StateFolder
from smithersd.daemon.state.process_record import last_process_record, pid_files, processes_here
from smithersd.engine import is_driven
from smithersd.errors import InvalidRequest, RunNotFound
from smithersd.limits import RUNS_LISTED_MAX
from smithersd.query.select import select_run
from smithersd.store import Store

_OFFERED_MAX = 10
"""Runs that an error lists."""


def pid_file_of(folder: RunFolder) -> Path:
    """Return the pidfile of a run: the one that its process wrote down, else the one in its folder."""
    process_record = last_process_record(folder)
    return folder.pid_file if process_record is None else Path(process_record.pid_file)


def run_of_pid_file(folder: StateFolder, pid_file: Path) -> str | None:
    """Return the run whose process holds, or held, a pidfile; None where no run says so."""
    return next((run_id for run_id, run in folder.runs().items() if pid_file in (run.pid_file, *pid_files(run))), None)


async def local_runs(store: Store, folder: StateFolder) -> list[str]:
    """Return the runs that have a process here, or whose process died and has left them, or its pidfile, behind."""
    with_process = [run_id for run_id, run in folder.runs().items() if _has_process(run)]
    return sorted({*with_process, *await _abandoned(store)})


def _has_process(folder: RunFolder) -> bool:
    return pid_file_of(folder).exists() or bool(processes_here(folder))


async def select_local_run(store: Store, folder: StateFolder, said: str | None, *, or_newest: bool = False) -> str:
    """Return the run of this id, or the only one whose id begins so; with nothing said the only one that has a process.

    Where none has a process, the only live run is meant; with `or_newest` and none live, the newest.

    Raises:
        RunNotFound: there is none.
        InvalidRequest: there are several.
    """
    if said is not None:
        return await _named(store, folder, said)
    residents = await local_runs(store, folder)
    if len(residents) > 1:
        offered = "\n".join(f"  {run_id}" for run_id in residents[:_OFFERED_MAX])
        raise InvalidRequest(f"{len(residents)} runs have a process here.", remedy=f"Name one:\n{offered}")
    return residents[0] if residents else (await select_run(store, None, or_newest=or_newest)).run_id


async def _named(store: Store, folder: StateFolder, said: str) -> str:
    """A process that has claimed a run may not have begun it yet: then only its folder is there."""
    try:
        return (await select_run(store, said)).run_id
    except RunNotFound:
        if said in folder.runs():
            return said
        raise


async def _abandoned(store: Store) -> list[str]:
    live = await store.runs(limit=RUNS_LISTED_MAX, is_live=True)
    return [run.run_id for run in live if run.status is not RunStatus.SUSPENDED and not is_driven(run)]

"""The processes of runs on this machine, and their pidfiles."""

from dataclasses import dataclass
from pathlib import Path

from smithersd.daemon.state.folder import RunFolder, StateFolder
from smithersd.daemon.state.process_record import ProcessRecord, last_process_record, pid_files, processes_here
from smithersd.engine import run_info
from smithersd.errors import InvalidRequest, RunNotFound
from smithersd.limits import RUNS_LISTED_MAX
from smithersd.query.run_info import RunInfo
from smithersd.query.select import select_run
from smithersd.store import Store

_OFFERED_MAX = 10
"""How many runs an error lists at most."""


def pid_file_of(folder: RunFolder) -> Path:
    """Return the pidfile of a run: the one that its process recorded, else the one in its folder."""
    process_record = last_process_record(folder)
    return folder.pid_file if process_record is None else Path(process_record.pid_file)


def run_of_pid_file(folder: StateFolder, pid_file: Path) -> str | None:
    """Return the run whose process holds, or held, a pidfile; None if no run has recorded it."""
    return next((run_id for run_id, run in folder.runs().items() if pid_file in (run.pid_file, *pid_files(run))), None)


async def local_runs(store: Store, folder: StateFolder) -> list[str]:
    """Return the runs that have a process here, or whose process was killed and left a live run or its pidfile."""
    with_process = [run_id for run_id, run in folder.runs().items() if _has_process(run)]
    return sorted({*with_process, *await _abandoned(store)})


def _has_process(folder: RunFolder) -> bool:
    return pid_file_of(folder).exists() or bool(processes_here(folder))


@dataclass(frozen=True, slots=True)
class LocalProcess:
    """A process on this machine; a field is None if its value is not known, or if there is no process."""

    pid: int | None = None
    url: str | None = None
    started_at_ms: int | None = None
    pid_file: str | None = None
    log_file: str | None = None


@dataclass(frozen=True, slots=True)
class LocalProcesses:
    """The processes of a run on this machine: the one that drives or serves it, and the others."""

    main: LocalProcess
    standbys: list[LocalProcess]
    """The processes that wait to resume the run."""
    servers: list[LocalProcess]
    """Further processes that serve the run."""


def local_processes(run: RunInfo, folder: StateFolder) -> LocalProcesses:
    """Return the run's processes that are recorded in the state folder `folder`."""
    holder = None if run.holder is None else run.holder.identity
    standbys: list[LocalProcess] = []
    others: list[LocalProcess] = []
    for record in processes_here(folder.run(run.run_id)):
        # A process that resumes the run has its lease a moment before it has recorded that.
        is_standby = record.is_standby and record.process != holder
        (standbys if is_standby else others).append(_local_process(record))
    if others:
        return LocalProcesses(others[0], standbys, others[1:])
    driver = run.driver
    return LocalProcesses(LocalProcess(driver.pid if driver is not None and driver.is_local else None), standbys, [])


def _local_process(record: ProcessRecord) -> LocalProcess:
    return LocalProcess(record.pid, record.url, record.started_at_ms, record.pid_file, record.log_file)


async def select_local_run(store: Store, folder: StateFolder, prefix: str | None, *, or_newest: bool = False) -> str:
    """Return the run with this id or prefix; with None the only run that has a process.

    If no run has a process, that is the only live run; with `or_newest` and no live run, the newest.

    Raises:
        RunNotFound: there is none.
        InvalidRequest: there are several.
    """
    if prefix is not None:
        return await _named(store, folder, prefix)
    local = await local_runs(store, folder)
    if len(local) > 1:
        offered = "\n".join(f"  {run_id}" for run_id in local[:_OFFERED_MAX])
        raise InvalidRequest(f"{len(local)} runs have a process here.", remedy=f"Name one:\n{offered}")
    return local[0] if local else (await select_run(store, None, or_newest=or_newest)).run_id


async def _named(store: Store, folder: StateFolder, prefix: str) -> str:
    """Return the run with this id or prefix; one that a process holds and has not started yet has only a folder."""
    try:
        return (await select_run(store, prefix)).run_id
    except RunNotFound:
        if prefix in folder.runs():
            return prefix
        raise


async def _abandoned(store: Store) -> list[str]:
    live = await store.runs(limit=RUNS_LISTED_MAX, is_live=True)
    return [row.run_id for row in live if run_info(row).is_interrupted]

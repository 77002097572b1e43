"""Which runs have, or had, a process on this machine, and where its pidfile is."""

from pathlib import Path

from smithersd.config import RUNS_LISTED_MAX
from smithersd.core.states import RunStatus
from smithersd.daemon.folder import RunFolder, StateFolder
from smithersd.daemon.presence import last_presence
from smithersd.engine import is_driven
from smithersd.store import Store


def pid_file_of(folder: RunFolder) -> Path:
    """Return the pidfile of a run: the one that its process wrote down, else the one in its folder."""
    presence = last_presence(folder)
    return folder.pid_file if presence is None else Path(presence.pid_file)


def run_of_pid_file(folder: StateFolder, pid_file: Path) -> str | None:
    """Return the run whose process holds, or held, a pidfile; None where no run says so."""
    return next((run_id for run_id, run in folder.runs().items() if pid_file_of(run) == pid_file), None)


async def resident_runs(store: Store, folder: StateFolder) -> list[str]:
    """Return the runs that have a process here, or whose process died and has left them, or its pidfile, behind."""
    with_pid_file = [run_id for run_id, run in folder.runs().items() if pid_file_of(run).exists()]
    return sorted({*with_pid_file, *await _abandoned(store)})


async def _abandoned(store: Store) -> list[str]:
    live = await store.runs(limit=RUNS_LISTED_MAX, is_live=True)
    return [run.run_id for run in live if run.status is not RunStatus.SUSPENDED and not is_driven(run)]

"""Claiming a run for this process: from then on no other process that shares the state folder has it in hand."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from smithersd.daemon.launch.process import keep_until_exit
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.local_processes import run_of_pid_file
from smithersd.daemon.state.process_record import ProcessRecordFile, process_recorded
from smithersd.daemon.stop import end_process
from smithersd.engine import SystemClock
from smithersd.errors import DaemonRuns
from smithersd.posix.pidfile import PidFile


@asynccontextmanager
async def held_run(
    state_folder: StateFolder, run_id: str, *, pid_file: Path | None, is_forced: bool, is_standby: bool
) -> AsyncIterator[ProcessRecordFile]:
    """Hold a run's pidfile, and write this process down, until the process ends; or until an error ends the `with`.

    `pid_file` None is the one in the run's folder. With `is_forced` a process that has the run in hand is ended first:
    it suspends the run, or is killed. `is_standby` only words the error.

    Raises:
        DaemonRuns: another process holds the pidfile.
        UserError: it cannot be written.
    """
    folder = state_folder.run(run_id)
    path = pid_file or folder.pid_file
    if is_forced:
        await end_process(folder, path)
    folder.make()  # only now: the process before us may have taken it away at its end
    with ExitStack() as held:
        held.callback(folder.remove_if_empty)
        held.enter_context(_held(state_folder, path, needs_own=is_forced or is_standby))
        yield held.enter_context(process_recorded(folder, pid_file=path, now_ms=SystemClock().now_ms()))
        keep_until_exit(held.pop_all())


def _held(state_folder: StateFolder, path: Path, *, needs_own: bool) -> PidFile:
    """Acquire a pidfile; the error says which run's process has it.

    Where `needs_own`, only another pidfile helps: a standby is to live beside the process that has this one, and one
    that is still there after a forced start is another container's.
    """
    pid_file = PidFile(path)
    try:
        pid_file.acquire()
    except DaemonRuns as error:
        holder = run_of_pid_file(state_folder, path)
        if holder is None:
            raise
        ways = (
            f"Stop it with `smithers down {holder}`, take the run from it with --force, or start another run beside it."
        )
        raise DaemonRuns(
            f"Run {holder!r} has a process already. {error.message}",
            remedy="Give the one that is to be beside it a --pid-file of its own." if needs_own else ways,
        ) from None
    return pid_file

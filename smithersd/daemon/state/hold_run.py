"""Hold a run: meanwhile no other process that shares the state folder can hold it."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from smithersd.daemon.launch.process import keep_until_exit
from smithersd.daemon.options import ServiceOptions
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.local_processes import run_of_pid_file
from smithersd.daemon.state.process_record import ProcessRecordFile, process_recorded
from smithersd.daemon.stop import end_process
from smithersd.engine import SystemClock
from smithersd.errors import DaemonRuns
from smithersd.posix.process.pidfile import PidFile


@asynccontextmanager
async def held_run(options: ServiceOptions, run_id: str) -> AsyncIterator[ProcessRecordFile]:
    """Hold a run's pidfile, and record this process, until the process ends or an error ends the `with`.

    If the options force it, the process that holds the run is ended first: it suspends the run, or is killed.

    Raises:
        DaemonRuns: another process holds the pidfile.
        UserError: the pidfile cannot be written.
    """
    folder = options.storage.folder.run(run_id)
    path = options.pid_file or folder.pid_file
    if options.run.is_forced:
        await end_process(folder, path)
    folder.make()  # only now: the previous process may have removed the folder at its end
    with ExitStack() as held:
        held.callback(folder.remove_if_empty)
        needs_own = options.run.is_forced or options.is_standby
        held.enter_context(_held(options.storage.folder, path, needs_own=needs_own))
        yield held.enter_context(process_recorded(folder, pid_file=path, now_ms=SystemClock().now_ms()))
        keep_until_exit(held.pop_all())


def _held(state_folder: StateFolder, path: Path, *, needs_own: bool) -> PidFile:
    """Acquire a pidfile; the error names the run whose process holds it.

    With `needs_own` the remedy is another pidfile: a standby lives beside the process that holds this one, and a holder
    that remains after a forced start belongs to another container.
    """
    pid_file = PidFile(path)
    try:
        pid_file.acquire()
    except DaemonRuns as error:
        holder = run_of_pid_file(state_folder, path)
        if holder is None:
            raise
        ways = f"Stop it with `smithers down {holder}`, take over the run with --force, or start another run."
        raise DaemonRuns(
            f"Run {holder!r} already has a process. {error.message}",
            remedy="Give the second process its own --pid-file." if needs_own else ways,
        ) from None
    return pid_file

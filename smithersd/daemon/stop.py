"""Stop a run: signal its processes, wait for them and, if forced, kill them; then cancel or suspend the run itself.

A process that was killed has left its run live in the store: that is cancelled or suspended here, with the same events
as an engine would write.
"""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from smithersd.core.log.states import NodeState, RunStatus
from smithersd.daemon.state.folder import RunFolder
from smithersd.daemon.state.local_processes import pid_file_of
from smithersd.daemon.state.process_record import ProcessRecord, processes_here, remove_dead_records
from smithersd.engine import is_driven, request_cancel, suspend_without_driver, wait_until_applied
from smithersd.errors import DaemonRuns, NotStopped, RunIsDriven, RunNotActive, RunNotFound
from smithersd.limits import FORCED_STOP_S, STOP_POLL_S, UNKNOWN_HOLDER_S
from smithersd.posix.process.pidfile import held_pid, remove_stale
from smithersd.posix.process.process_handle import ProcessHandle
from smithersd.query.stored_log import read_state
from smithersd.store import Store

_END_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class StopRequest:
    """How a run is to be stopped."""

    is_suspension: bool
    timeout_s: float
    is_forced: bool
    """Whether a process that does not end in time is killed."""
    by: str | None = None
    """The name of the sender, for the log of the cancelled run."""


@dataclass(frozen=True, slots=True)
class EndedProcess:
    """A process that was stopped."""

    pid: int
    is_killed: bool
    """Whether it had to be killed."""


@dataclass(frozen=True, slots=True)
class StopResult:
    """The result of stopping one run."""

    run_id: str
    status: RunStatus | None
    """The run's status now; None if the run never started."""
    was_over: bool
    """Whether the run had ended before."""
    ended: tuple["EndedProcess", ...] = ()
    """The run's processes that were stopped on this machine."""
    was_stale: bool = False
    """Whether a stale pidfile was removed."""


async def stop_run(
    store: Store, run_id: str, folder: RunFolder, request: StopRequest, *, pid_file: Path | None = None
) -> StopResult:
    """Stop a run's processes here, and cancel or suspend the run; return when neither process nor pidfile is left.

    With `pid_file` only the process that holds it is stopped, and others of the run are left.

    Raises:
        NotStopped: a process (or another driver of the run) has not ended in time; the message says what still runs.
            Or the pidfile is held by a process that is not recorded as the run's.
        RunIsDriven: the run is to be suspended and a process elsewhere drives it.
    """
    before = await store.find_run(run_id)
    async with _alone(folder, request.timeout_s):
        main_pid_file = pid_file or pid_file_of(folder)
        await _wait_until_known(run_id, folder, main_pid_file)
        meant = _selected_processes(folder, pid_file)
        pid_files = {main_pid_file, *(Path(process_record.pid_file) for process_record in meant)}
        ended = await _end_all(store, run_id, folder, meant, request)
        was_stale = [_remove_stale_pid_file(each) for each in pid_files].count(True) > 0 and not ended
        remove_dead_records(folder)
        folder.remove_if_empty()  # the process could not: our name stood in it until it had ended
        is_standby = bool(ended) and all(process_record.is_standby for process_record in meant)
        status = await _settle(store, run_id, request, is_standby=is_standby)
    return StopResult(run_id, status, before is not None and before.status.is_final, ended, was_stale)


async def end_process(folder: RunFolder, pid_file: Path) -> None:
    """End the process that holds this pidfile, if there is one: it suspends the run, or is killed after 5 s."""
    for process_record in _selected_processes(folder, pid_file):
        with _opened(process_record) as process:
            if process is None:
                continue
            process.signal(signal.SIGTERM)
            if not await _has_ended(process, FORCED_STOP_S):
                process.signal(signal.SIGKILL)
                await _has_ended(process, FORCED_STOP_S)


def _selected_processes(folder: RunFolder, pid_file: Path | None) -> list[ProcessRecord]:
    return [record for record in processes_here(folder) if pid_file is None or Path(record.pid_file) == pid_file]


@contextmanager
def _opened(process_record: ProcessRecord) -> Iterator[ProcessHandle | None]:
    """Open a process that was recorded; yield None if it has ended."""
    process = ProcessHandle.open(process_record.pid)
    if process is None:
        yield None
        return
    with process:
        # Still alive, so the handle is on this process and not on a later one with its pid.
        yield process if process_record.process.is_alive else None


async def _wait_until_known(run_id: str, folder: RunFolder, pid_file: Path) -> None:
    """Wait until the holder of the pidfile is recorded, so that no other process is signalled.

    The lock is also visible from other pid namespaces. A process that starts or ends holds its pidfile for a moment
    without being recorded.
    """
    try:
        async with asyncio.timeout(UNKNOWN_HOLDER_S):
            while not _is_holder_known(folder, pid_file):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(STOP_POLL_S)
    except TimeoutError:
        raise NotStopped(
            f"The process that holds the pidfile of run {run_id!r} is not recorded on this machine.",
            remedy="Stop it in the container or on the host where it runs, or try again if it is just starting.",
        ) from None


def _is_holder_known(folder: RunFolder, pid_file: Path) -> bool:
    """Return whether the pidfile is free, or held by a recorded process of the run on this machine."""
    return held_pid(pid_file) in {None, *(process_record.pid for process_record in processes_here(folder))}


def _remove_stale_pid_file(pid_file: Path) -> bool:
    """Remove the pidfile of a process that died; return whether there was one."""
    try:
        return remove_stale(pid_file)
    except DaemonRuns as error:
        raise NotStopped(
            f"The pidfile cannot be removed: {error.message}", remedy="Stop that process where it runs."
        ) from None


async def _end_all(
    store: Store, run_id: str, folder: RunFolder, process_records: list[ProcessRecord], request: StopRequest
) -> tuple[EndedProcess, ...]:
    """End processes of a run; return those that were stopped.

    A cancel is requested through the store before the signal, which would only suspend the run: so the log has the
    sender, and a process that ignores SIGINT (a script's `command &`) is cancelled too. Standbys are signalled first,
    so that none resumes the run when its driver releases it.
    """
    with ExitStack() as opened:
        processes = [
            process
            for process_record in reversed(process_records)
            if (process := opened.enter_context(_opened(process_record))) is not None
        ]
        for process in processes:
            _check_permission(process, run_id)
        if processes and not request.is_suspension:
            with suppress(RunNotFound, RunNotActive):  # the run has not started, or has ended
                await wait_until_applied(store, await request_cancel(store, run_id, by=request.by))
        with _sender_named(folder, request.by):
            for process in processes:
                process.signal(signal.SIGTERM)
            return tuple(await asyncio.gather(*(_ended(store, run_id, process, request) for process in processes)))


@contextmanager
def _sender_named(folder: RunFolder, name: str | None) -> Iterator[None]:
    """Write the sender's name to a file while signals are sent, for the log of the process that gets them."""
    if name is None:
        yield
        return
    with suppress(OSError):  # the process then logs the signal without its sender
        folder.stop_sender_file.write_text(name, encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            folder.stop_sender_file.unlink()


def stop_sender(folder: RunFolder) -> str | None:
    """Return who is stopping the run's processes by a signal; None if that is not known."""
    try:
        return folder.stop_sender_file.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _check_permission(process: ProcessHandle, run_id: str) -> None:
    try:
        process.check_permission()
    except PermissionError:
        raise NotStopped(
            f"Process {process.pid} of run {run_id!r} belongs to another user.",
            remedy="Stop it as that user, or as root.",
        ) from None


async def _ended(store: Store, run_id: str, process: ProcessHandle, request: StopRequest) -> EndedProcess:
    """Wait for the end of a process that was signalled, or kill it if forced."""
    if await _has_ended(process, request.timeout_s):
        return EndedProcess(process.pid, is_killed=False)
    if request.is_forced:
        process.signal(signal.SIGKILL)
        if await _has_ended(process, FORCED_STOP_S):
            return EndedProcess(process.pid, is_killed=True)
    raise NotStopped(
        f"Process {process.pid} of run {run_id!r} has not ended within {request.timeout_s:g} s: "
        f"{await _busy_reason(store, run_id)}.",
        remedy="Wait and try again, or kill it with `smithers down --force`.",
    )


async def _settle(store: Store, run_id: str, request: StopRequest, *, is_standby: bool) -> RunStatus | None:
    """Cancel or suspend the run, whose process has ended; return its status. The end of a standby changes nothing."""
    row = await store.find_run(run_id)
    if row is None:
        return None
    if row.status.is_final or (is_standby and request.is_suspension):
        return row.status
    if request.is_suspension:
        await _suspend(store, run_id)
        return (await store.run(run_id)).status
    with suppress(RunNotActive):  # it has just ended
        await request_cancel(store, run_id)
    return await _ended_status(store, run_id, request)


async def _suspend(store: Store, run_id: str) -> None:
    try:
        await suspend_without_driver(store, run_id)
    except RunIsDriven as error:
        raise RunIsDriven(error.message, remedy="Suspend it there; from here it can only be cancelled.") from None


async def _ended_status(store: Store, run_id: str, request: StopRequest) -> RunStatus:
    """Wait until the driver on another machine has cancelled the run."""
    try:
        async with asyncio.timeout(request.timeout_s):
            while not (row := await store.run(run_id)).status.is_final:
                if not is_driven(row):
                    await request_cancel(store, run_id)
                await asyncio.sleep(STOP_POLL_S)
            return row.status
    except TimeoutError:
        raise NotStopped(
            f"Run {run_id!r} was asked to cancel but has not ended within {request.timeout_s:g} s: "
            f"{await _busy_reason(store, run_id)}.",
            remedy="The request is stored and its driver will cancel it; `smithers ps` shows the driver.",
        ) from None


async def _busy_reason(store: Store, run_id: str) -> str:
    if await store.find_run(run_id) is None:
        return "the run has not started"
    state = await read_state(store, run_id)
    busy = [node.node_id for node in state.nodes.values() if node.state is NodeState.IN_PROGRESS]
    if busy:
        return f"{', '.join(map(repr, busy))} still run{'s' if len(busy) == 1 else ''}"
    return f"the run is {state.status}, and the process does not answer"


async def _has_ended(process: ProcessHandle, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            while not process.has_ended:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(_END_POLL_S)
    except TimeoutError:
        return False
    return True


@asynccontextmanager
async def _alone(folder: RunFolder, timeout_s: float) -> AsyncIterator[None]:
    """Lock the run against another `smithers down`: a second signal would end its process at once."""
    try:
        descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        await _locked(descriptor, timeout_s)
        yield
    finally:
        os.close(descriptor)


async def _locked(descriptor: int, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not _is_locked(descriptor):  # noqa: ASYNC110 - another process has it
                await asyncio.sleep(STOP_POLL_S)
    except TimeoutError:
        raise NotStopped("Another `smithers down` is stopping this run.", remedy="Wait until it has ended.") from None


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        return True
    return True

"""How a run stands, as whoever looks at it from outside must see it, and what gets it on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from smithersd.cli.text.approval_lines import approval_lines
from smithersd.cli.text.phrases import (
    INTERRUPTED,
    INTERRUPTED_STYLE,
    STATUS_STYLES,
    Phrase,
    command_phrase,
    duration,
    error_phrase,
)
from smithersd.core.log.states import RunStatus
from smithersd.daemon import command_lines
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.process_record import ProcessRecord, processes_here
from smithersd.daemon.state.storage import Storage
from smithersd.engine import driver_name, is_driven, is_owner_dead, owner_from
from smithersd.errors import ErrorInfo
from smithersd.query.approvals import PendingApproval
from smithersd.store.records import RunRow


def is_interrupted(run: RunRow) -> bool:
    """Whether the log still says that the run goes on, but nobody is there to drive it."""
    return not (run.status.is_final or run.status is RunStatus.SUSPENDED or is_driven(run))


def standing(run: RunRow) -> Phrase:
    """Return the run's status; one whose driver has died is never called running."""
    if is_interrupted(run):
        return Phrase(INTERRUPTED, INTERRUPTED_STYLE)
    return Phrase(run.status.value, STATUS_STYLES[run.status])


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A process on this machine; all is None where there is none, and what is not known of one."""

    pid: int | None = None
    url: str | None = None
    started_at_ms: int | None = None
    pid_file: str | None = None
    log_file: str | None = None


@dataclass(frozen=True, slots=True)
class RunProcesses:
    """The processes of a run on this machine: the one that drives or serves it, and those beside that one."""

    main: RunProcess
    standbys: list[RunProcess]
    """Who waits to take the run up."""
    servers: list[RunProcess]
    """Who serves it too."""


def processes_of(run: RunRow, folder: StateFolder) -> RunProcesses:
    """Return the processes that have the run in hand; `folder` is where they wrote down that they do."""
    found = processes_here(folder.run(run.run_id))
    # Who takes the run up has its lease a moment before it has written that down.
    standbys = [
        _process(process_record)
        for process_record in found
        if process_record.is_standby and process_record.owner != run.owner
    ]
    others = [
        _process(process_record)
        for process_record in found
        if not process_record.is_standby or process_record.owner == run.owner
    ]
    if others:
        return RunProcesses(others[0], standbys, others[1:])
    if run.owner is not None and is_driven(run) and (owner := owner_from(run.owner)).is_local:
        return RunProcesses(RunProcess(owner.pid), standbys, [])
    return RunProcesses(RunProcess(), standbys, [])


def _process(process_record: ProcessRecord) -> RunProcess:
    return RunProcess(
        process_record.pid,
        process_record.url,
        process_record.started_at_ms,
        pid_file=process_record.pid_file,
        log_file=process_record.log_file,
    )


def process_json(process: RunProcess) -> dict[str, Any]:
    """Return a process for machines."""
    return {
        "pid": process.pid,
        "url": process.url,
        "startedAtMs": process.started_at_ms,
        "pidFile": process.pid_file,
        "logFile": process.log_file,
    }


def driver_json(run: RunRow) -> dict[str, Any] | None:
    """Name who drives the run, here or elsewhere, for machines; None where nobody does."""
    if run.owner is None or not is_driven(run):
        return None
    owner = owner_from(run.owner)
    return {"host": owner.host, "pid": owner.pid, "isLocal": owner.is_local}


def driver_elsewhere(run: RunRow) -> str | None:
    """Name the driver where it is none of this machine's processes, as "pid@host"."""
    driver = driver_json(run)
    return None if driver is None or driver["isLocal"] else f"{driver['pid']}@{driver['host']}"


def driver_phrase(run: RunRow) -> str:
    """Say who drives the run, in the middle of a sentence; empty where nobody does."""
    driver = driver_name(run)
    return "" if driver is None else f", driven by {driver}"


def error_of(run: RunRow) -> ErrorInfo | None:
    """Return what the run failed of."""
    return None if run.error is None else ErrorInfo(**json.loads(run.error))


def approvals_with_commands(
    run_id: str,
    approvals: Sequence[PendingApproval],
    storage: Storage,
    *,
    lines_max: int,
    width: int | None,
    verbs: tuple[str, ...] = ("approve",),
) -> Iterator[Phrase]:
    """Say what a run asks, and the commands of these verbs that answer it."""
    whole = command_lines.inspect(run_id, storage=storage, is_json=len(verbs) > 1)
    for approval in approvals:
        yield from approval_lines(approval, lines_max=lines_max, whole=whole, width=width)
        for verb in verbs:
            yield command_phrase(command_lines.decide(verb, run_id, *approval.key, storage=storage))


def steps_to_take_up(run: RunRow, storage: Storage) -> list[Phrase]:
    """Say which command takes a run up that nobody drives; nothing where somebody does."""
    if is_interrupted(run):
        is_forced = run.owner is not None and _is_living_here(run.owner)
        resume = command_lines.resume(run.run_id, run.workflow_path, storage=storage, is_forced=is_forced)
        return [Phrase(f"{why_without_driver(run)} It goes on with:"), command_phrase(resume)]
    if run.status is RunStatus.SUSPENDED or run.status.is_final:
        return steps_without_driver(run.status, run.run_id, run.workflow_path, storage)
    return []


def why_without_driver(run: RunRow) -> str:
    """Say what became of the driver of a run that goes on in its log only."""
    if run.owner is None:
        return "Nobody drives the run: its process let go of it before its end."
    if is_owner_dead(run.owner):
        return "Nobody drives the run: its process has died."
    late = duration(run.store_now_ms - (run.lease_expires_at_ms or run.store_now_ms))
    return (
        f"Nobody drives the run: {owner_from(run.owner).name} has not renewed its lease, which ran out {late} ago; "
        "it is stopped, cut off or dead."
    )


def _is_living_here(owner: str) -> bool:
    """Whether a run's former process holds on to its pidfile: then whoever resumes the run has to end it first."""
    return owner_from(owner).is_local and not is_owner_dead(owner)


def steps_without_driver(status: RunStatus, run_id: str, workflow_path: str | None, storage: Storage) -> list[Phrase]:
    """Say which command goes on with a run that is driven no longer, or with what it has done."""
    match status:
        case RunStatus.FINISHED | RunStatus.CONTINUED:
            return []
        case RunStatus.FAILED | RunStatus.CANCELLED:
            command = command_lines.start_from(run_id, workflow_path, storage=storage)
            redo = Phrase("With --redo NODE it does that node again, and what follows from it.")
            return [Phrase("A new run can take over what is done:"), command_phrase(command), redo]
        case (
            RunStatus.SUSPENDED
            | RunStatus.RUNNING
            | RunStatus.WAITING_APPROVAL
            | RunStatus.WAITING_TIMER
            | RunStatus.WAITING_EVENT
        ):
            resume = command_lines.resume(run_id, workflow_path, storage=storage)
            return [Phrase("It goes on with:"), command_phrase(resume)]
        case _:
            assert_never(status)


def failure_line(run: RunRow) -> str | None:
    """Say in a line what the run failed of."""
    error = error_of(run)
    return None if error is None else error_phrase(error)

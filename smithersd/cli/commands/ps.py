"""smithers ps: list runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from smithersd.cli.args.options import debug_option, json_option, on_runs, storage_options, whole_number
from smithersd.cli.terminal.output import say, say_json, say_table, terminal_width
from smithersd.cli.text.columns import Line, Row
from smithersd.cli.text.phrases import Phrase, duration, short_time
from smithersd.cli.text.run_status import approvals_with_commands, next_steps, status_phrase
from smithersd.client import StoredRuns
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.local_processes import LocalProcess, LocalProcesses, local_processes
from smithersd.daemon.state.process_record import processes_here
from smithersd.daemon.state.storage import Storage
from smithersd.engine import SystemClock
from smithersd.limits import APPROVAL_LINES_LISTED_MAX
from smithersd.query.approvals import PendingApproval
from smithersd.query.json import approval_json, driver_json, error_json
from smithersd.query.run_info import RunInfo

_LIMIT_DEFAULT = 50
_LIMIT_MAX = 10_000
_HEADERS = ("RUN", "WORKFLOW", "STATUS", "STARTED", "TIME", "PID", "UP")
_INDENT = 2


@dataclass(frozen=True, slots=True)
class _ListedRun:
    """A run with what it waits for and its processes on this machine."""

    run: RunInfo
    approvals: list[PendingApproval]
    processes: LocalProcesses


@click.command("ps", short_help="List runs.")
@click.option("-a", "--all", "is_all", is_flag=True, help="List ended runs too.")
@click.option(
    "--limit",
    type=whole_number(1, _LIMIT_MAX),
    metavar="N",
    default=_LIMIT_DEFAULT,
    help=f"List at most N runs [default: {_LIMIT_DEFAULT}].",
)
@json_option
@storage_options
@debug_option
def command(*, is_all: bool, limit: int, is_json: bool, storage: Storage) -> None:
    """List runs that have not ended or still have a process, the newest first, each with its next command.

    PID, UP and the URL below are those of the run's process on this machine; UP is how long the process has been
    running. Standbys are listed below, too. The PID of a driver on another machine is shown as pid@host. A run is
    "interrupted" when its driver has died or has not renewed its lease in time: `up --resume` continues it.
    """
    listed, is_cut = on_runs(storage, lambda runs: _read(runs, storage.folder, is_all=is_all, limit=limit))
    if is_json:
        say_json([_json(run, storage) for run in listed])
    else:
        _say(listed, is_all=is_all, storage=storage)
        if is_cut:
            say(Phrase(f"These are the newest {limit}; --limit shows more.", "dim"))


async def _read(runs: StoredRuns, folder: StateFolder, *, is_all: bool, limit: int) -> tuple[list[_ListedRun], bool]:
    found = await runs.list(limit=limit + 1, is_live=None if is_all else True)
    if not is_all:
        found = sorted([*found, *await _still_served(runs, folder)], key=lambda run: run.started_at_ms, reverse=True)
    return [await _listed(runs, folder, run) for run in found[:limit]], len(found) > limit


async def _still_served(runs: StoredRuns, folder: StateFolder) -> list[RunInfo]:
    """Return the runs that have ended but still have a process."""
    served = [run_id for run_id, of_run in folder.runs().items() if processes_here(of_run)]
    found = [await runs.find(run_id) for run_id in served]
    return [run for run in found if run is not None and run.status.is_final]


async def _listed(runs: StoredRuns, folder: StateFolder, run: RunInfo) -> _ListedRun:
    approvals = [] if run.status.is_final else await runs.run(run.run_id).approvals()
    return _ListedRun(run, approvals, local_processes(run, folder))


def _say(listed: list[_ListedRun], *, is_all: bool, storage: Storage) -> None:
    if not listed:
        say("There are no runs." if is_all else "No run is live; `smithers ps --all` lists those that have ended.")
        return
    now_ms = SystemClock().now_ms()
    say_table(_HEADERS, [Row(_cells(entry, now_ms), list(_lines_below(entry, storage, now_ms))) for entry in listed])


def _cells(entry: _ListedRun, now_ms: int) -> Line:
    run = entry.run
    process = entry.processes.main
    return [
        Phrase(run.run_id, "bold"),
        Phrase(run.workflow_name),
        status_phrase(run),
        Phrase(short_time(run.started_at_ms, now_ms)),
        Phrase(duration((run.finished_at_ms or now_ms) - run.started_at_ms)),
        Phrase(str(process.pid) if process.pid is not None else _elsewhere(run)),
        Phrase(_uptime(process, now_ms)),
    ]


def _elsewhere(run: RunInfo) -> str:
    """Return the driver as pid@host if it is on another machine, else an empty text."""
    return "" if run.driver is None or run.driver.is_local else f"{run.driver.pid}@{run.driver.host}"


def _uptime(process: LocalProcess, now_ms: int) -> str:
    return "" if process.started_at_ms is None else duration(now_ms - process.started_at_ms)


def _lines_below(entry: _ListedRun, storage: Storage, now_ms: int) -> Iterator[Phrase]:
    """Yield the lines below a run: its URL, its other processes, what it waits for, and the next command."""
    processes = entry.processes
    if processes.main.url is not None:
        yield Phrase(processes.main.url, is_whole=True)
    for does, others in (("stands by", processes.standbys), ("serves the run too", processes.servers)):
        for other in others:
            at = "" if other.url is None else f" at {other.url}"
            yield Phrase(f"process {other.pid} {does}{at}, up {_uptime(other, now_ms)}", is_whole=True)
    if not entry.run.status.is_final:
        width = terminal_width()
        yield from approvals_with_commands(
            entry.run.run_id,
            entry.approvals,
            storage,
            lines_max=APPROVAL_LINES_LISTED_MAX,
            width=None if width is None else width - _INDENT,
        )
        yield from next_steps(entry.run, storage)


def _json(entry: _ListedRun, storage: Storage) -> dict[str, Any]:
    run = entry.run
    process = entry.processes.main
    return {
        "runId": run.run_id,
        "workflowName": run.workflow_name,
        "status": run.status_text,
        "startedAtMs": run.started_at_ms,
        "finishedAtMs": run.finished_at_ms,
        "error": error_json(run.error),
        "workflowPath": run.workflow_path,
        "fromRunId": run.from_run_id,
        "url": process.url,
        "pid": process.pid,
        "driver": driver_json(run.driver),
        "processStartedAtMs": process.started_at_ms,
        "pidFile": process.pid_file,
        "logFile": process.log_file,
        "standbys": [_process_json(other) for other in entry.processes.standbys],
        "servers": [_process_json(other) for other in entry.processes.servers],
        "goesOnWith": [step.text.strip() for step in next_steps(run, storage) if step.is_whole],
        "waitsFor": [approval_json(approval) for approval in entry.approvals],
    }


def _process_json(process: LocalProcess) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "url": process.url,
        "startedAtMs": process.started_at_ms,
        "pidFile": process.pid_file,
        "logFile": process.log_file,
    }

"""smithers ps: which runs there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from smithersd.cli.args.options import debug_option, json_option, on_store, storage_options, whole_number
from smithersd.cli.terminal.output import say, say_json, say_table, terminal_width
from smithersd.cli.text.columns import Line, Row
from smithersd.cli.text.phrases import Phrase, duration, short_time
from smithersd.cli.text.run_status import (
    RunProcess,
    RunProcesses,
    approvals_with_commands,
    driver_elsewhere,
    driver_json,
    error_of,
    process_json,
    processes_of,
    standing,
    steps_to_take_up,
)
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.process_record import processes_here
from smithersd.daemon.state.storage import Storage
from smithersd.engine import SystemClock
from smithersd.limits import APPROVAL_LINES_LISTED_MAX
from smithersd.query.approvals import PendingApproval, undecided_approvals
from smithersd.query.json import approval_json, error_json
from smithersd.store import Store
from smithersd.store.records import RunRow

_LIMIT_DEFAULT = 50
_LIMIT_MAX = 10_000
_HEADS = ("RUN", "WORKFLOW", "STATUS", "STARTED", "TIME", "PID", "UP")
_INDENT = 2


@dataclass(frozen=True, slots=True)
class _Listed:
    """A run with what it waits for and the processes that have it in hand."""

    run: RunRow
    approvals: list[PendingApproval]
    processes: RunProcesses


@click.command("ps", short_help="List runs.")
@click.option("-a", "--all", "is_all", is_flag=True, help="Also runs that have ended.")
@click.option(
    "--limit",
    type=whole_number(1, _LIMIT_MAX),
    metavar="N",
    default=_LIMIT_DEFAULT,
    help=f"At most so many [default: {_LIMIT_DEFAULT}].",
)
@json_option
@storage_options
@debug_option
def command(*, is_all: bool, limit: int, is_json: bool, storage: Storage) -> None:
    """List runs that have not ended or still have a process, the newest first, and what gets each of them on.

    PID, UP (for how long) and URL are those of the run's process on this machine, and below stand those that stand by;
    of a driver elsewhere PID is its pid@host. A run whose driver has died, or was not heard of for longer than its
    lease, is "interrupted": --resume goes on with it.
    """
    listed, is_cut = on_store(storage, lambda opened: _read(opened, storage.folder, is_all=is_all, limit=limit))
    if is_json:
        say_json([_json(one, storage) for one in listed])
    else:
        _say(listed, is_all=is_all, storage=storage)
        if is_cut:
            say(Phrase(f"These are the newest {limit}; --limit shows more.", "dim"))


async def _read(store: Store, folder: StateFolder, *, is_all: bool, limit: int) -> tuple[list[_Listed], bool]:
    runs = await store.runs(limit=limit + 1, is_live=None if is_all else True)
    if not is_all:
        runs = sorted([*runs, *await _still_served(store, folder)], key=lambda run: run.created_at_ms, reverse=True)
    return [await _listed(store, folder, run) for run in runs[:limit]], len(runs) > limit


async def _still_served(store: Store, folder: StateFolder) -> list[RunRow]:
    """Runs that have ended but whose process still stands."""
    served = [run_id for run_id, of_run in folder.runs().items() if processes_here(of_run)]
    rows = [await store.find_run(run_id) for run_id in served]
    return [row for row in rows if row is not None and row.status.is_final]


async def _listed(store: Store, folder: StateFolder, run: RunRow) -> _Listed:
    approvals = [] if run.status.is_final else await undecided_approvals(store, run.run_id)
    return _Listed(run, approvals, processes_of(run, folder))


def _say(listed: list[_Listed], *, is_all: bool, storage: Storage) -> None:
    if not listed:
        say("There are no runs." if is_all else "No run is live; `smithers ps --all` lists those that have ended.")
        return
    now_ms = SystemClock().now_ms()
    say_table(_HEADS, [Row(_cells(one, now_ms), list(_below(one, storage, now_ms))) for one in listed])


def _cells(one: _Listed, now_ms: int) -> Line:
    run = one.run
    process = one.processes.main
    return [
        Phrase(run.run_id, "bold"),
        Phrase(run.workflow_name),
        standing(run),
        Phrase(short_time(run.created_at_ms, now_ms)),
        Phrase(duration((run.finished_at_ms or now_ms) - run.created_at_ms)),
        Phrase(str(process.pid) if process.pid is not None else driver_elsewhere(run) or ""),
        Phrase(_up(process, now_ms)),
    ]


def _up(process: RunProcess, now_ms: int) -> str:
    return "" if process.started_at_ms is None else duration(now_ms - process.started_at_ms)


def _below(one: _Listed, storage: Storage, now_ms: int) -> Iterator[Phrase]:
    """Where the run is served, who else has it in hand, what it waits for, and what gets it on."""
    processes = one.processes
    if processes.main.url is not None:
        yield Phrase(processes.main.url, is_whole=True)
    for does, others in (("stands by", processes.standbys), ("serves it too", processes.servers)):
        for other in others:
            at = "" if other.url is None else f" at {other.url}"
            yield Phrase(f"process {other.pid} {does}{at}, up {_up(other, now_ms)}", is_whole=True)
    if not one.run.status.is_final:
        width = terminal_width()
        yield from approvals_with_commands(
            one.run.run_id,
            one.approvals,
            storage,
            lines_max=APPROVAL_LINES_LISTED_MAX,
            width=None if width is None else width - _INDENT,
        )
        yield from steps_to_take_up(one.run, storage)


def _json(one: _Listed, storage: Storage) -> dict[str, Any]:
    run = one.run
    process = one.processes.main
    return {
        "runId": run.run_id,
        "workflowName": run.workflow_name,
        "status": standing(run).text,
        "startedAtMs": run.created_at_ms,
        "finishedAtMs": run.finished_at_ms,
        "error": error_json(error_of(run)),
        "workflowPath": run.workflow_path,
        "fromRunId": run.from_run_id,
        "url": process.url,
        "pid": process.pid,
        "driver": driver_json(run),
        "processStartedAtMs": process.started_at_ms,
        "pidFile": process.pid_file,
        "logFile": process.log_file,
        "standbys": [process_json(other) for other in one.processes.standbys],
        "servers": [process_json(other) for other in one.processes.servers],
        "goesOnWith": [step.text.strip() for step in steps_to_take_up(run, storage) if step.is_whole],
        "waitsFor": [approval_json(approval) for approval in one.approvals],
    }

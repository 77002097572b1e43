"""smithers down: stop a run's processes, and cancel or suspend the run."""

import asyncio
from pathlib import Path

import click

from smithersd.cli.args.options import (
    debug_option,
    login_name,
    on_store,
    run_argument,
    run_epilog,
    say_folder,
    seconds_from_zero,
    storage_options,
)
from smithersd.cli.terminal.output import say, say_lines
from smithersd.cli.text.phrases import Phrase
from smithersd.cli.text.run_status import next_steps, status_phrase
from smithersd.client import StoredRuns
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.local_processes import local_runs, run_of_pid_file, select_local_run
from smithersd.daemon.state.storage import Storage
from smithersd.daemon.stop import StopRequest, StopResult, stop_run
from smithersd.errors import InvalidRequest, NotStopped, RunNotFound, UserError
from smithersd.exit_codes import ExitCode
from smithersd.limits import STOP_TIMEOUT_S_DEFAULT
from smithersd.store import Store


@click.command(
    "down",
    short_help="Stop a run's process; cancel or suspend the run.",
    epilog=run_epilog(
        "smithers down",
        "smithers down release-1 --suspend",
        "smithers down --all",
        unnamed="only run that has a process",
    ),
)
@run_argument
@click.option("--suspend", "is_suspension", is_flag=True, help="Suspend the run instead of cancelling it.")
@click.option("--all", "is_all", is_flag=True, help="Stop every run that has a process here, or whose process died.")
@click.option(
    "--timeout",
    "timeout_s",
    type=seconds_from_zero,
    metavar="SECONDS",
    default=STOP_TIMEOUT_S_DEFAULT,
    show_default=True,
    help="How long to wait for the processes to end.",
)
@click.option("--force", "is_forced", is_flag=True, help="Kill a process that has not ended in time.")
@click.option("--pid-file", metavar="FILE", help="Stop only the process that has this pidfile.")
@storage_options
@debug_option
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    run: str | None,
    is_suspension: bool,
    is_all: bool,
    timeout_s: float,
    is_forced: bool,
    pid_file: str | None,
    storage: Storage,
) -> None:
    """Stop a run's processes on this machine, standbys too, and wait until they have ended.

    The run is cancelled or, with --suspend, suspended, so that `up --resume` continues it. A run that has ended keeps
    its status, and only its server stops. If a process has died, its pidfile is removed.
    """
    if is_all and (run is not None or pid_file is not None):
        raise InvalidRequest("--all cannot be given together with RUN or --pid-file.", remedy="Give one of them.")
    request = StopRequest(is_suspension, timeout_s, is_forced, by=f"{login_name()} (smithers down)")
    say_folder(storage)
    named = None if pid_file is None else Path(pid_file).absolute()
    if is_all:
        is_done = on_store(storage, lambda opened: _stop_all(opened, storage, request))
        context.exit(ExitCode.FINISHED if is_done else ExitCode.FAILED)
    on_store(storage, lambda opened: _stop_one(opened, storage, run, named, request))


async def _stop_one(
    store: Store, storage: Storage, selector: str | None, pid_file: Path | None, request: StopRequest
) -> None:
    folder = storage.folder
    run_id = await _select_run(store, folder, selector, pid_file)
    await _say(store, await stop_run(store, run_id, folder.run(run_id), request, pid_file=pid_file), storage)


async def _select_run(store: Store, folder: StateFolder, selector: str | None, pid_file: Path | None) -> str:
    """Select the run to stop: the named one, that of the pidfile, else the only one that has a process."""
    if selector is not None or pid_file is None:
        return await select_local_run(store, folder, selector)
    run_id = run_of_pid_file(folder, pid_file)
    if run_id is None:
        raise RunNotFound(f"No run of {str(folder.path)!r} has the pidfile {str(pid_file)!r}.", remedy="Name the run.")
    return run_id


async def _stop_all(store: Store, storage: Storage, request: StopRequest) -> bool:
    """Stop every run that has a process, all at once; return whether each of them has ended."""
    folder = storage.folder
    run_ids = await local_runs(store, folder)
    if not run_ids:
        say("No run has a process on this machine.")
    stopping = [stop_run(store, run_id, folder.run(run_id), request) for run_id in run_ids]
    outcomes = await asyncio.gather(*stopping, return_exceptions=True)
    for outcome in outcomes:
        match outcome:
            case StopResult():
                await _say(store, outcome, storage)
            case NotStopped() | UserError():
                say(Phrase(outcome.message, "red"))
            case _:
                raise outcome
    return all(isinstance(outcome, StopResult) for outcome in outcomes)


async def _say(store: Store, stopped: StopResult, storage: Storage) -> None:
    run = await StoredRuns(store).find(stopped.run_id)
    if run is None:
        say(f"Run {stopped.run_id} is not in the store. ", _process(stopped))
        return
    verb = "had already ended:" if stopped.was_over else "is"
    say(Phrase(f"Run {run.run_id} {verb} ", "bold"), status_phrase(run), ". ", _process(stopped))
    if not stopped.was_over:
        say_lines(next_steps(run, storage))


def _process(stopped: StopResult) -> str:
    if stopped.ended:
        ends = [
            f"Process {process.pid} " + ("was killed." if process.is_killed else "has ended.")
            for process in stopped.ended
        ]
        return " ".join(ends)
    return "Its process had died; the pidfile was stale." if stopped.was_stale else "It had no process on this machine."

"""smithers down: end a run's process, and cancel or suspend the run."""

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
    short_help="End a run's process: cancel the run, or suspend it.",
    epilog=run_epilog(
        "smithers down",
        "smithers down release-1 --suspend",
        "smithers down --all",
        unnamed="only run that has a process",
    ),
)
@run_argument
@click.option("--suspend", "is_suspension", is_flag=True, help="Leave the run resumable instead of cancelling it.")
@click.option("--all", "is_all", is_flag=True, help="Every run that has a process, or whose process has died.")
@click.option(
    "--timeout",
    "timeout_s",
    type=seconds_from_zero,
    metavar="SECONDS",
    default=STOP_TIMEOUT_S_DEFAULT,
    show_default=True,
    help="How long to wait for the end.",
)
@click.option("--force", "is_forced", is_flag=True, help="Kill a process that has not ended by then.")
@click.option("--pid-file", metavar="FILE", help="End only the process that has this pidfile.")
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
    """End a run's processes on this machine, also those that stand by, and wait for them.

    The run is cancelled, or with --suspend left so that --resume goes on. A run that has ended stays as it is, and only
    its server is stopped. What a process that died has left behind is put in order.
    """
    if is_all and (run is not None or pid_file is not None):
        raise InvalidRequest("--all means every run.", remedy="Leave RUN and --pid-file out beside it.")
    request = StopRequest(is_suspension, timeout_s, is_forced, by=f"{login_name()} (smithers down)")
    say_folder(storage)
    named = None if pid_file is None else Path(pid_file).absolute()
    if is_all:
        is_done = on_store(storage, lambda opened: _stop_all(opened, storage, request))
        context.exit(ExitCode.FINISHED if is_done else ExitCode.FAILED)
    on_store(storage, lambda opened: _stop_one(opened, storage, run, named, request))


async def _stop_one(
    store: Store, storage: Storage, said: str | None, pid_file: Path | None, request: StopRequest
) -> None:
    folder = storage.folder
    run_id = await _chosen(store, folder, said, pid_file)
    await _say(store, await stop_run(store, run_id, folder.run(run_id), request, pid_file=pid_file), storage)


async def _chosen(store: Store, folder: StateFolder, said: str | None, pid_file: Path | None) -> str:
    """Return the run to stop: the named one, that of the pidfile, else the only one that has a process."""
    if said is not None or pid_file is None:
        return await select_local_run(store, folder, said)
    run_id = run_of_pid_file(folder, pid_file)
    if run_id is None:
        raise RunNotFound(f"No run of {str(folder.path)!r} has the pidfile {str(pid_file)!r}.", remedy="Name the run.")
    return run_id


async def _stop_all(store: Store, storage: Storage, request: StopRequest) -> bool:
    """Stop every run that has a process, all at once; return whether each of them has ended."""
    folder = storage.folder
    run_ids = await local_runs(store, folder)
    if not run_ids:
        say("No run has a process here.")
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
        say(f"No run {stopped.run_id} is in the store. ", _process(stopped))
        return
    verb = "had ended" if stopped.was_over else "is"
    say(Phrase(f"Run {run.run_id} {verb} ", "bold"), status_phrase(run), ". ", _process(stopped))
    if not stopped.was_over:
        say_lines(next_steps(run, storage))


def _process(stopped: StopResult) -> str:
    if stopped.ended:
        said = [
            f"Process {process.pid} " + ("was killed." if process.is_killed else "has ended.")
            for process in stopped.ended
        ]
        return " ".join(said)
    return "Its process had died; the pidfile was stale." if stopped.was_stale else "It had no process here."

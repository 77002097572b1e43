"""smithers cancel: cancel a run."""

import click

from smithersd.cli.args.options import (
    debug_option,
    login_name,
    on_runs,
    run_argument,
    run_epilog,
    say_store_folder,
    storage_options,
)
from smithersd.cli.terminal.output import say, say_lines
from smithersd.cli.text.phrases import Phrase
from smithersd.cli.text.run_status import next_steps, status_phrase
from smithersd.client import StoredRuns
from smithersd.core.log.states import RunStatus
from smithersd.daemon.state.storage import Storage
from smithersd.errors import RunNotActive
from smithersd.limits import STOP_GRACE_S


@click.command("cancel", short_help="Cancel a run.", epilog=run_epilog("smithers cancel", "smithers cancel release-1"))
@run_argument
@storage_options
@debug_option
def command(run: str | None, storage: Storage) -> None:
    """Cancel a run, wherever it is driven, or if no process drives it. It cannot be resumed.

    Cancelling a run that is cancelled already changes nothing.
    """
    say_store_folder(storage)
    on_runs(storage, lambda runs: _cancel(runs, run, storage))


async def _cancel(runs: StoredRuns, selector: str | None, storage: Storage) -> None:
    run = await runs.select(selector)
    try:
        await run.cancel(requested_by=login_name())
    except RunNotActive:
        if (await run.info()).status is not RunStatus.CANCELLED:
            raise
    info = await run.info()
    if info.status.is_final:
        say(Phrase(f"Run {run.run_id} is ", "bold"), status_phrase(info), ".")
    else:
        by = "" if info.driver is None else f" by {info.driver.name}"
        say(f"Run {run.run_id} is being cancelled{by}. Running tasks have {STOP_GRACE_S:g} s to stop.")
    say_lines(next_steps(info, storage))

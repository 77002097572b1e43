"""smithers cancel: end a run for good."""

import click

from smithersd.cli.args.options import (
    debug_option,
    login_name,
    on_store,
    run_argument,
    run_epilog,
    say_folder,
    storage_options,
)
from smithersd.cli.terminal.output import say, say_lines
from smithersd.cli.text.phrases import Phrase
from smithersd.cli.text.run_status import standing, steps_to_take_up
from smithersd.core.log.states import RunStatus
from smithersd.daemon.state.storage import Storage
from smithersd.engine import driver_name, request_cancel, wait_until_applied
from smithersd.errors import RunNotActive
from smithersd.limits import STOP_GRACE_S
from smithersd.query.select import select_run
from smithersd.store import Store


@click.command(
    "cancel", short_help="End a run for good.", epilog=run_epilog("smithers cancel", "smithers cancel release-1")
)
@run_argument
@storage_options
@debug_option
def command(run: str | None, storage: Storage) -> None:
    """End a run for good, whoever drives it, also when nobody does. One that is cancelled already stays so."""
    if storage.store is None:
        say_folder(storage)
    on_store(storage, lambda opened: _cancel(opened, run, storage))


async def _cancel(store: Store, said: str | None, storage: Storage) -> None:
    run_id = (await select_run(store, said)).run_id
    try:
        submitted = await request_cancel(store, run_id, by=login_name())
        await wait_until_applied(store, submitted)
    except RunNotActive:
        if (await store.run(run_id)).status is not RunStatus.CANCELLED:
            raise
    run = await store.run(run_id)
    if run.status.is_final:
        say(Phrase(f"Run {run_id} is ", "bold"), standing(run), ".")
    else:
        by = f" by {driver}" if (driver := driver_name(run)) is not None else ""
        say(f"Run {run_id} is being cancelled{by}: what runs has {STOP_GRACE_S:g} s to stop.")
    say_lines(steps_to_take_up(run, storage))

"""smithers fire: fire a timer before its time."""

import click

from smithersd.cli.args.options import (
    checked_text,
    debug_option,
    login_name,
    on_runs,
    say_folder,
    storage_options,
    whole_number,
)
from smithersd.cli.decision import say_stage
from smithersd.cli.terminal.output import say_lines
from smithersd.cli.text.phrases import node_name
from smithersd.cli.text.run_status import next_steps
from smithersd.client import StoredRuns
from smithersd.daemon.state.storage import Storage

_EXAMPLES = """\b
Examples:
  smithers fire release-1 "next morning"
"""


@click.command("fire", short_help="Fire a timer before its time.", epilog=_EXAMPLES)
@click.argument("run", metavar="RUN")
@click.argument("node", metavar="NODE")
@click.option("--iteration", type=whole_number(), metavar="N", help="The iteration [default: the one that is waiting].")
@click.option("--by", metavar="NAME", help="Who fires it [default: your login name].")
@storage_options
@debug_option
def command(run: str, node: str, iteration: int | None, by: str | None, storage: Storage) -> None:
    """Fire a timer before its time. The run continues at once.

    RUN is a run's id or the beginning of it; NODE is the id of the timer.
    """
    checked_text(node, "NODE")
    if by is not None:
        checked_text(by, "--by")
    if storage.store is None:
        say_folder(storage)
    on_runs(storage, lambda runs: _fire(runs, run, node, iteration, login_name() if by is None else by, storage))


async def _fire(runs: StoredRuns, said: str, node: str, iteration: int | None, by: str, storage: Storage) -> None:
    run = await runs.select(said)
    stage = await run.fire(node, iteration=iteration, fired_by=by)
    info = await run.info()
    say_stage(info, stage, "fired", node if iteration is None else node_name(node, iteration), by)
    say_lines(next_steps(info, storage))

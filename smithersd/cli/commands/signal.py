"""smithers signal: send a run a signal."""

from dataclasses import dataclass

import click

from smithersd.cli.args.options import checked_text, debug_option, login_name, on_runs, say_folder, storage_options
from smithersd.cli.decision import json_flag
from smithersd.cli.terminal.output import say, say_lines
from smithersd.cli.text.phrases import Phrase, one_line
from smithersd.cli.text.run_status import next_steps, status_phrase
from smithersd.client import RequestStage, StoredRuns
from smithersd.core.log.events import JsonValue
from smithersd.daemon.state.storage import Storage

_EXAMPLES = """\b
Examples:
  smithers signal release-1 tested
  smithers signal orders-7 paid --key INV-7 --data '{"amount": 20}'
"""


@dataclass(frozen=True, slots=True)
class _Sent:
    name: str
    data: JsonValue
    key: str | None
    by: str


@click.command("signal", short_help="Send a run a signal.", epilog=_EXAMPLES)
@click.argument("run", metavar="RUN")
@click.argument("name", metavar="NAME")
@click.option("--data", metavar="JSON", help="What the node that waits puts out [default: null].")
@click.option("--key", metavar="TEXT", help="Which of several waits of this name is meant [default: the one without].")
@click.option("--by", metavar="NAME", help="Who sends it [default: your login name].")
@storage_options
@debug_option
def command(run: str, name: str, data: str | None, key: str | None, by: str | None, storage: Storage) -> None:
    """Send a run a signal. A node that waits for it takes it at once; otherwise it is kept until one does.

    RUN is a run's id or the beginning of it; NAME is the name of the signal.
    """
    for text, flag in ((name, "NAME"), (key, "--key"), (by, "--by")):
        if text is not None:
            checked_text(text, flag)
    sent = _Sent(name, None if data is None else json_flag(data, "--data"), key, login_name() if by is None else by)
    if storage.store is None:
        say_folder(storage)
    on_runs(storage, lambda runs: _send(runs, run, sent, storage))


async def _send(runs: StoredRuns, prefix: str, sent: _Sent, storage: Storage) -> None:
    run = await runs.select(prefix)
    stage = await run.signal(sent.name, sent.data, key=sent.key, sent_by=sent.by)
    info = await run.info()
    done = Phrase(f"Sent {one_line(sent.name)} to run {run.run_id} as {one_line(sent.by)}.", "bold")
    if stage is RequestStage.APPLIED:
        say(done, " The run is ", status_phrase(info), ".")
    elif info.driver is not None:
        say(done, f" It is stored; {info.driver.name}, which drives the run, has not received it yet.")
    else:
        say(done, " It is stored, and received when the run is resumed.")
    say_lines(next_steps(info, storage))

"""smithers waits: list what a run waits for."""

from collections.abc import Iterator

import click

from smithersd.cli.args.options import (
    UNNAMED_TO_READ,
    debug_option,
    json_option,
    on_runs,
    run_argument,
    run_epilog,
    run_to_read,
    storage_options,
)
from smithersd.cli.terminal.output import say, say_json, say_lines
from smithersd.cli.text.phrases import (
    Phrase,
    command_phrase,
    date_and_time,
    duration,
    node_name,
    one_line,
    waiting_for_signal,
)
from smithersd.cli.text.run_status import next_steps, status_phrase
from smithersd.client import StoredRuns
from smithersd.core.log.states import WaitKind
from smithersd.daemon import command_lines
from smithersd.daemon.state.storage import Storage
from smithersd.engine import SystemClock
from smithersd.query.json import wait_json
from smithersd.query.run_info import RunInfo
from smithersd.query.waits import PendingWait


@click.command(
    "waits",
    short_help="List what a run waits for.",
    epilog=run_epilog("smithers waits", "smithers waits release-1 --json | jq .[].endedBy", unnamed=UNNAMED_TO_READ),
)
@run_argument
@json_option
@storage_options
@debug_option
def command(run: str | None, *, is_json: bool, storage: Storage) -> None:
    """List everything that a run waits for, the longest waiting first, each with the command that ends the wait.

    A retry has no command: only its time ends it.
    """
    info, found = on_runs(storage, lambda runs: _read(runs, run))
    if is_json:
        say_json([wait_json(wait) for wait in found])
        return
    if not found:
        say(f"Run {info.run_id} waits for nothing. It is ", status_phrase(info), ".")
    now_ms = SystemClock().now_ms()
    for wait in found:
        say_lines([Phrase(_text(wait, now_ms), "yellow"), *_commands(info.run_id, wait, storage)])
    say_lines(next_steps(info, storage))


async def _read(runs: StoredRuns, prefix: str | None) -> tuple[RunInfo, list[PendingWait]]:
    run = await run_to_read(runs, prefix)
    return await run.info(), await run.waits()


def _text(wait: PendingWait, now_ms: int) -> str:
    until = "" if wait.due_at_ms is None else f", until {date_and_time(wait.due_at_ms)}"
    waited = duration(now_ms - wait.since_ms)
    return f"{node_name(wait.node_id, wait.iteration)} {_object(wait)}{until}, for {waited}"


def _object(wait: PendingWait) -> str:
    if wait.title is not None:
        return f"asks: {one_line(wait.title)}"
    if wait.name is not None:
        return waiting_for_signal(wait.name, wait.correlation_id)
    return "waits to be tried again" if wait.kind is WaitKind.RETRY else "waits for a time"


def _commands(run_id: str, wait: PendingWait, storage: Storage) -> Iterator[Phrase]:
    for verb in wait.verbs:
        yield command_phrase(command_lines.end_wait(verb, run_id, wait, storage=storage))

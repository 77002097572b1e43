"""The output of `smithers up -d`: URL, process and files of the run, and the next commands."""

import sys
from typing import Any

from smithersd.cli.terminal.output import say, say_json
from smithersd.daemon import command_lines
from smithersd.daemon.launch.handshake import Started
from smithersd.daemon.state.storage import Storage


def say_started(started: Started, *, storage: Storage, is_json: bool) -> None:
    """Print where the run is, for a person or as JSON; warnings go to stderr in either case."""
    for warning in started.warnings:
        print(warning, file=sys.stderr)
    if is_json:
        say_json(_record(started))
    else:
        for line in _lines(started, storage):
            say(line)


def _lines(started: Started, storage: Storage) -> list[str]:
    url = [f"  url       {started.url}"] if started.url is not None else []
    run_id = started.run_id
    if started.is_standby:
        said = f"Standing by for run {run_id} in the background."
        stop = command_lines.down(run_id, storage=storage, standby_pid_file=started.pid_file)
    else:
        said = f"Run {run_id} is running in the background."
        stop = command_lines.down(run_id, storage=storage)
    return [
        said,
        *url,
        f"  pid       {started.pid}",
        f"  log       {started.log_file}",
        f"  pidfile   {started.pid_file}",
        "",
        f"Watch it    {command_lines.follow(run_id, storage=storage)}",
        f"Stop it     {stop}",
    ]


def _record(started: Started) -> dict[str, Any]:
    return {
        "runId": started.run_id,
        "url": started.url,
        "pid": started.pid,
        "logFile": started.log_file,
        "pidFile": started.pid_file,
        "isStandby": started.is_standby,
    }

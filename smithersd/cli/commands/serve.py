"""smithers serve: serve a run over HTTP without driving it."""

import sys
from typing import Any

import click

from smithersd.cli.args.options import (
    debug_option,
    on_store,
    run_argument,
    run_epilog,
    say_store_folder,
    storage_options,
)
from smithersd.cli.args.serve_flags import serve_flags, serve_options
from smithersd.cli.terminal.output import flush, say
from smithersd.cli.text.phrases import Phrase
from smithersd.cli.text.run_status import driver_phrase, status_phrase
from smithersd.daemon.launch.environment import take_environment
from smithersd.daemon.state.storage import Storage
from smithersd.query.run_info import RunInfo


@click.command(
    "serve",
    short_help="Serve a run over HTTP without driving it.",
    epilog=run_epilog("smithers serve", "smithers serve release-1 --port 8080"),
)
@run_argument
@serve_flags
@storage_options
@debug_option
def command(run: str | None, storage: Storage, **flags: Any) -> None:
    """Serve a run over HTTP without driving it.

    Another process may drive the run, or none, or the run may have ended. Decisions and cancellations reach the driver
    through the store. Ctrl+C stops the server, and the run continues.
    """
    from smithersd.daemon.serve_run import serve_run  # noqa: PLC0415 - brings the web server

    inherited = take_environment()
    options = serve_options(flags, inherited_token=inherited.auth_token)
    say_store_folder(storage)
    on_store(
        storage,
        lambda opened: serve_run(opened, run, options, sockets=inherited.sockets, on_serving=_say, warn=_warn),
    )


def _say(run: RunInfo, url: str) -> None:
    say(Phrase(f"Run {run.run_id} of {run.workflow_name} is ", "bold"), status_phrase(run), driver_phrase(run), ".")
    say(f"Serving at {url}")
    say("Ctrl+C stops this server; the run is not affected.")
    flush()


def _warn(text: str) -> None:
    print(text, file=sys.stderr)

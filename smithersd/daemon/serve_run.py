"""A server without an engine: for a run that another process drives, that no process drives, or that has ended."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from smithersd.daemon.options import ServeOptions
from smithersd.daemon.serving import check_serving, served
from smithersd.daemon.signals import StopSignals
from smithersd.engine import run_info
from smithersd.exit_codes import ExitCode
from smithersd.posix.open_files import raise_files_limit
from smithersd.query.run_info import RunInfo
from smithersd.query.select import select_run
from smithersd.store import Store


async def serve_run(
    store: Store,
    run_id: str | None,
    options: ServeOptions,
    *,
    sockets: Sequence[socket.socket],
    on_serving: Callable[[RunInfo, str], None],
    warn: Callable[[str], None],
) -> None:
    """Serve a run of the store until SIGINT, SIGTERM or SIGHUP; the run is left as it is.

    `run_id` is the run's id, a prefix of it, or None for the only live run. `on_serving` is called with the run and its
    URL.

    Raises:
        RunNotFound, InvalidRequest: no such run, or several.
        UserError: the address cannot be listened on, or the token is not valid.
    """
    check_serving(options)
    raise_files_limit()
    run = await select_run(store, run_id)
    is_stopped = asyncio.Event()
    signals = StopSignals(
        on_first=lambda _: is_stopped.set(),
        on_second=is_stopped.set,
        on_hangup=is_stopped.set,
        exit_code=lambda _: ExitCode.FINISHED,
        before_exit=lambda: None,
    )
    with signals.installed():
        async with served(
            options,
            sockets=sockets,
            workflow_name=run.workflow_name,
            store=store,
            run_id=run.run_id,
            abort=asyncio.Event(),
            warn=warn,
        ) as url:
            on_serving(run_info(run), url)
            await is_stopped.wait()

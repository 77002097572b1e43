"""The `abort` event of an app: once it is set, the run is cancelled, whatever process drives it."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from smithersd.engine import request_cancel
from smithersd.errors import RunNotActive, RunNotFound, StoreUnavailable
from smithersd.limits import FEED_POLL_S
from smithersd.loggers import logger
from smithersd.serve.context import CONTEXT, RunContext

_log = logger(__name__)


async def watch_abort(app: web.Application) -> AsyncIterator[None]:
    """Watch the `abort` event while the app runs."""
    watcher = asyncio.create_task(_cancel_on_abort(app[CONTEXT]), name="smithersd-abort")
    yield
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)


async def _cancel_on_abort(context: RunContext) -> None:
    await context.abort.wait()
    try:
        while not await _try_to_cancel(context):  # noqa: ASYNC110 - the run may begin in another process
            await asyncio.sleep(FEED_POLL_S)
    except Exception:  # noqa: BLE001 - nobody awaits this task, so the log is where it reports
        _log.exception("The run %s could not be cancelled.", context.run_id)


async def _try_to_cancel(context: RunContext) -> bool:
    """Request the cancel; return False if the run has not started yet or the store does not answer."""
    try:
        await request_cancel(context.store, context.run_id, clock=context.clock)
    except (RunNotFound, StoreUnavailable):
        return False
    except RunNotActive:
        pass
    return True

"""GET /health and GET /ready: without a token, and without any information beside yes or no."""

import asyncio

from aiohttp import web

from smithersd.engine import Driver, local_driver
from smithersd.errors import StoreUnavailable
from smithersd.limits import READY_TIMEOUT_S
from smithersd.serve.answers import json_answer, raw_answer
from smithersd.serve.context import run_of
from smithersd.serve.errors import NotReady

_OK = b'{"ok":true}'


async def health(_: web.Request) -> web.Response:
    """Answer that the server is running."""
    return raw_answer(_OK)


async def ready(request: web.Request) -> web.Response:
    """Answer whether the store answers and, in the process that drives the run, whether the engine can continue.

    Raises:
        NotReady: the store does not answer, or the engine cannot continue; the log says why.
    """
    context = run_of(request)
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await context.store.check()
            await _check_driver(local_driver(context.store.url, context.run_id))
    except (StoreUnavailable, TimeoutError):
        raise NotReady("The store does not answer.") from None
    return json_answer({"ok": True})


async def _check_driver(driver: Driver | None) -> None:
    if driver is None:
        return
    if driver.problem is not None:
        raise NotReady("The engine cannot continue at present; the server's log says why.")
    if not await driver.holds_lease():
        raise NotReady("The engine's lease has run out.")

"""Waiting until a live engine has applied what was submitted, so that whoever looks next already sees it."""

import asyncio
from contextlib import suppress

from smithersd.engine.run_info import is_driven
from smithersd.errors import StoreUnavailable
from smithersd.limits import APPLIED_WAIT_S, FEED_POLL_S
from smithersd.store import Store
from smithersd.store.records import Submitted, Topic


async def wait_until_applied(store: Store, submitted: Submitted) -> None:
    """Wait up to APPLIED_WAIT_S until the driver has taken the request out of the inbox.

    The request is durable in any case: no failure of this wait is a failure of the request.
    """
    if submitted.inbox_id is None or not submitted.is_leased:
        return
    woken = asyncio.Event()
    unsubscribe = store.subscribe(submitted.run_id, Topic.EVENTS, woken.set)
    try:
        with suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(APPLIED_WAIT_S):
                await _wait(store, submitted.run_id, submitted.inbox_id, woken)
    finally:
        unsubscribe()


async def _wait(store: Store, run_id: str, inbox_id: int, woken: asyncio.Event) -> None:
    while await store.is_in_inbox(run_id, inbox_id) and is_driven(await store.run(run_id)):
        with suppress(TimeoutError):
            async with asyncio.timeout(FEED_POLL_S):
                await woken.wait()
        woken.clear()

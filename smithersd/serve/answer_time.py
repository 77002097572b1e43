"""How long a client waits for a store that is silent: it is told so early enough to try again, or elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smithersd.errors import StoreUnavailable
from smithersd.limits import STORE_ANSWER_S


@asynccontextmanager
async def within_answer_time() -> AsyncIterator[None]:
    """Give the store up to STORE_ANSWER_S for what is in the `with`; what is under way may still come to its end.

    Raises:
        StoreUnavailable: that was not enough.
    """
    try:
        async with asyncio.timeout(STORE_ANSWER_S):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(f"The store has not answered within {STORE_ANSWER_S:g} s.") from error

"""The time limit of a request for a store that does not answer, short enough for the client to try again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from smithersd.core.log.fold import RunState
from smithersd.errors import StoreUnavailable
from smithersd.limits import STORE_ANSWER_S
from smithersd.query.run_view import RunView


@asynccontextmanager
async def within_answer_time() -> AsyncIterator[None]:
    """Limit the body of the `with` to STORE_ANSWER_S seconds; a running transaction may still finish.

    Raises:
        StoreUnavailable: the store took longer.
    """
    try:
        async with asyncio.timeout(STORE_ANSWER_S):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(f"The store did not answer within {STORE_ANSWER_S:g} seconds.") from error


@asynccontextmanager
async def reading_in_answer_time(view: RunView) -> AsyncIterator[RunState]:
    """Yield the run's current state, as `view.reading` does; a long log is still read to its end.

    Raises:
        RunNotFound: the run has not started.
        StoreUnavailable: the store does not answer, or sent no event for STORE_ANSWER_S seconds.
    """
    async with AsyncExitStack() as stack:
        yield await _entered(stack, view)


async def _entered(stack: AsyncExitStack, view: RunView) -> RunState:
    while True:
        known_seq = view.last_seq
        try:
            async with within_answer_time():
                return await stack.enter_async_context(view.reading())
        except StoreUnavailable:
            if view.last_seq == known_seq:
                raise
            # The store answers, slowly: what was read is kept, and the next read continues from there.

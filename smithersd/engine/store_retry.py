"""StoreRetry: repeat operations that the store refuses, and report why the run waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from smithersd.errors import StoreUnavailable
from smithersd.limits import STORE_RETRY_FIRST_S, STORE_RETRY_MAX_S
from smithersd.loggers import logger

_log = logger(__name__)

T = TypeVar("T")


class StoreRetry:
    """Repeats an engine's store operations without limit, until the engine is asked to stop.

    Meanwhile running attempts continue, and none is started.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._stop_requested = asyncio.Event()
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the store refuses at present, or None."""
        return self._problem

    def stop(self) -> None:
        """Stop retrying: the next refusal is raised."""
        self._stop_requested.set()

    async def retry_until_available(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Call `ask` until the store does not refuse; return its value.

        Raises:
            LeaseLost: another driver has taken over the run.
            StoreUnavailable: the store refuses, and the engine was asked to stop.
        """
        delay_s = STORE_RETRY_FIRST_S
        while True:
            try:
                value = await operation()
            except StoreUnavailable as error:
                if self._stop_requested.is_set():
                    raise
                self._note_problem(str(error))
                await self._pause(delay_s)
                delay_s = min(2 * delay_s, STORE_RETRY_MAX_S)
            else:
                self._note_problem(None)
                return value

    async def _pause(self, delay_s: float) -> None:
        """Sleep for `delay_s`, or until the engine is asked to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stop_requested.wait()

    def _note_problem(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            _log.error("%s: the store is not available, the run waits for it: %s", self._run_id, problem)
        elif problem is None and self._problem is not None:
            _log.warning("%s: the store is available again, the run continues", self._run_id)
        self._problem = problem

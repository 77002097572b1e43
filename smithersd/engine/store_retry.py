"""StoreRetry: a store that refuses is asked again and again, and it is said why the run waits."""

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
    """The patience of one engine with its store: without end, until the engine is asked to stop.

    Meanwhile attempts go on, and nothing new starts.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._stop_requested = asyncio.Event()
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the store refuses at present, None when all is well."""
        return self._problem

    def stop(self) -> None:
        """Let the next refusal be the last."""
        self._stop_requested.set()

    async def retry_until_available(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store until it answers.

        Raises:
            LeaseLost: another driver took the run.
            StoreUnavailable: the store refuses, and the driver has been asked to stop.
        """
        delay_s = STORE_RETRY_FIRST_S
        while True:
            try:
                answer = await ask()
            except StoreUnavailable as error:
                if self._stop_requested.is_set():
                    raise
                self._note_problem(str(error))
                await self._rest(delay_s)
                delay_s = min(2 * delay_s, STORE_RETRY_MAX_S)
            else:
                self._note_problem(None)
                return answer

    async def _rest(self, delay_s: float) -> None:
        """Let some time pass, unless the driver is asked to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stop_requested.wait()

    def _note_problem(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            _log.error("%s: the store refuses, the run waits: %s", self._run_id, problem)
        elif problem is None and self._problem is not None:
            _log.warning("%s: the store takes writes again, the run goes on", self._run_id)
        self._problem = problem

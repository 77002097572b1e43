"""Wait for a store that is unavailable when a service starts, if the options say so."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from smithersd.daemon.report import Report
from smithersd.errors import StoreUnavailable
from smithersd.limits import STORE_RETRY_FIRST_S, STORE_RETRY_MAX_S

T = TypeVar("T")


class StoreWait:
    """Retries what needs the store until the store answers or the process is stopped.

    If `waits` is False, the first failure is raised.
    """

    def __init__(self, report: Report, is_stopped: asyncio.Event, *, waits: bool) -> None:
        self._report = report
        self._is_stopped = is_stopped
        self._waits = waits
        self._problem: str | None = None

    async def retry_until_available(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Await `work` until it succeeds, and return its value; None if the process was stopped before that.

        Raises:
            StoreUnavailable: the store is unavailable, and is not waited for.
        """
        rest_s = STORE_RETRY_FIRST_S
        while not self._is_stopped.is_set():
            try:
                return await work()
            except StoreUnavailable as error:
                if not self._waits:
                    raise
                self._report_problem(error.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._is_stopped.wait()
            rest_s = min(2 * rest_s, STORE_RETRY_MAX_S)
        return None

    def _report_problem(self, problem: str) -> None:
        self._report.wait_for_store(None if problem == self._problem else problem)
        self._problem = problem

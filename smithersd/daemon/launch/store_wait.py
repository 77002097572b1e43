"""A store that is away when a service starts: it is waited for where the process is to live, else that is an error."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from smithersd.daemon.report import Report
from smithersd.errors import StoreUnavailable
from smithersd.limits import STORE_RETRY_FIRST_S, STORE_RETRY_MAX_S

T = TypeVar("T")


class StoreWait:
    """Tries again what needs the store, until it answers or the process is to stop.

    `is_patient` says whether it waits at all.
    """

    def __init__(self, report: Report, is_stopped: asyncio.Event, *, is_patient: bool) -> None:
        self._report = report
        self._is_stopped = is_stopped
        self._is_patient = is_patient
        self._problem: str | None = None

    async def retry_until_available(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do this, as often as it takes; return None where the process was stopped meanwhile.

        Raises:
            StoreUnavailable: the store is away, and is not waited for.
        """
        rest_s = STORE_RETRY_FIRST_S
        while not self._is_stopped.is_set():
            try:
                return await work()
            except StoreUnavailable as error:
                if not self._is_patient:
                    raise
                self._tell(error.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._is_stopped.wait()
            rest_s = min(2 * rest_s, STORE_RETRY_MAX_S)
        return None

    def _tell(self, problem: str) -> None:
        self._report.wait_for_store(None if problem == self._problem else problem)
        self._problem = problem

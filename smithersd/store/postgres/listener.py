"""Hearing of other processes' commits: LISTEN on a connection of its own, and a poll for as long as it hears nothing.

A listener that the server or a proxy has silently cut off looks like one to which nobody speaks. So it speaks to itself
from time to time: what it does not hear back within a moment it cannot hear from others either.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from smithersd.config import LISTEN_CHECK_S, LISTEN_CHECK_TIMEOUT_S, LISTEN_POLL_S
from smithersd.store.database import OnChange
from smithersd.store.postgres.address import Address
from smithersd.store.postgres.connection import close
from smithersd.store.postgres.driver import Driver, connect
from smithersd.store.postgres.refusals import is_refusal

_CHANNEL = "smithers"


class Listener:
    """Tells which run has something new, from `start` to `stop`."""

    def __init__(self, address: Address, on_change: OnChange, is_own: Callable[[int], bool]) -> None:
        self._address = address
        self._on_change = on_change
        self._is_own = is_own
        self._check = ""
        self._heard = asyncio.Event()
        self._cut_off = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run(), name="smithersd-listener")

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            polling = asyncio.create_task(self._poll())
            try:
                await self._listen(polling)
            finally:
                polling.cancel()
            await asyncio.sleep(LISTEN_POLL_S)

    async def _poll(self) -> None:
        while True:
            self._on_change(None)
            await asyncio.sleep(LISTEN_POLL_S)

    async def _listen(self, polling: "asyncio.Task[None]") -> None:
        """Listen until cut off; the poll ends once this hears itself."""
        driver: Driver | None = None
        try:
            driver = await connect(self._address)
            await self._attend(driver)
            while await self._hears_itself(driver):
                polling.cancel()
                self._on_change(None)  # whatever came while it heard nothing
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._cut_off.wait(), LISTEN_CHECK_S)
        except Exception as error:
            if not is_refusal(error, is_closed=driver is None or driver.is_closed()):
                raise
        finally:
            if driver is not None:
                await close(driver)

    async def _attend(self, driver: Driver) -> None:
        self._cut_off.clear()
        driver.add_termination_listener(lambda _: self._cut_off.set())
        async with asyncio.timeout(self._address.connect_timeout_s):
            await driver.add_listener(_CHANNEL, self._on_notification)

    async def _hears_itself(self, driver: Driver) -> bool:
        self._check = f"@{secrets.token_hex(8)}"  # no run id begins so
        self._heard.clear()
        try:
            async with asyncio.timeout(LISTEN_CHECK_TIMEOUT_S):
                await driver.execute("SELECT pg_notify($1, $2)", _CHANNEL, self._check)
                await self._heard.wait()
        except TimeoutError:
            return False
        return True

    def _on_notification(self, _: Any, server_pid: int, __: str, payload: Any) -> None:
        if payload == self._check:
            self._heard.set()
        elif not self._is_own(server_pid) and not str(payload).startswith("@"):
            self._on_change(str(payload))

"""Notifications of other processes' commits: LISTEN on a connection of its own, and polling while that does not work.

A broken listener looks like one without notifications. So it first sends one to itself, and checks the server
regularly. It holds a shared advisory lock for each run that it follows: other runs cause no notifications of events.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Never

from smithersd.limits import LISTEN_CHECK_S, LISTEN_CHECK_TIMEOUT_S, LISTEN_POLL_S
from smithersd.loggers import logger
from smithersd.store.database import OnChange
from smithersd.store.postgres.address import Address
from smithersd.store.postgres.driver import PostgresDriver, connect, disconnect
from smithersd.store.postgres.refusals import reason

_log = logger(__name__)

_CHANNEL = "smithers"
_CHECK_MARK = "@"
"""The prefix of a listener's notifications to itself; no run id has it."""
_LOCKS = 729_384
"""The class of the advisory locks of followers; the migrations use it too."""


class Listener:
    """Calls `on_change` with each run that has changed, from `start` to `stop`."""

    def __init__(self, address: Address, on_change: OnChange, is_own: Callable[[int], bool]) -> None:
        self._address = address
        self._on_change = on_change
        self._is_own = is_own
        self._is_receiving = False
        self._followed: frozenset[str] = frozenset()
        self._check = ""
        self._is_check_received = asyncio.Event()
        self._is_changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start listening."""
        self._task = asyncio.create_task(self._run(), name="smithersd-listener")

    def follow(self, run_ids: frozenset[str]) -> None:
        """Replace the runs to get notifications for."""
        self._followed = run_ids
        self._is_changed.set()

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(self._poll())
            if self._address.direct is not None:
                _ = group.create_task(self._listen_always(self._address.direct))

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_POLL_S)
            if not self._is_receiving:
                self._on_change(None)

    async def _listen_always(self, address: Address) -> None:
        is_logged = False
        while True:
            why = await self._listen(address)
            if self._is_receiving or not is_logged:
                _log.warning("%s: no notifications (%s); polling instead", address.shown, why)
                is_logged = True
            self._is_receiving = False
            await asyncio.sleep(LISTEN_POLL_S)

    async def _listen(self, address: Address) -> str:
        """Listen until that fails; return the reason."""
        driver: PostgresDriver | None = None
        try:
            driver = await connect(address)
            await self._start_listening(driver, address)
            if await self._receives_check(driver):
                await self._receive(driver)
        except Exception as error:  # noqa: BLE001 - whatever it is, polling continues
            return reason(error)
        finally:
            if driver is not None:
                await disconnect(driver)
        return await self._wait_before_retry()

    async def _wait_before_retry(self) -> str:
        """Wait before another try, since no notification arrives, most likely because of a pooling proxy."""
        await asyncio.sleep(LISTEN_CHECK_S)
        return "LISTEN does not work on this connection"

    async def _start_listening(self, driver: PostgresDriver, address: Address) -> None:
        driver.add_termination_listener(lambda _: self._is_changed.set())
        async with asyncio.timeout(address.connect_timeout_s):
            await driver.add_listener(_CHANNEL, self._on_notification)

    async def _receives_check(self, driver: PostgresDriver) -> bool:
        self._check = _CHECK_MARK + secrets.token_hex(8)
        self._is_check_received.clear()
        try:
            async with asyncio.timeout(LISTEN_CHECK_TIMEOUT_S):
                await driver.execute("SELECT pg_notify($1, $2)", _CHANNEL, self._check)
                await self._is_check_received.wait()
        except TimeoutError:
            return False
        return True

    async def _receive(self, driver: PostgresDriver) -> Never:
        """Hold the locks of the followed runs, and check the server, until something fails."""
        locked: frozenset[str] = frozenset()
        while True:
            self._is_changed.clear()
            wanted = self._followed
            async with asyncio.timeout(LISTEN_CHECK_TIMEOUT_S):
                await driver.execute("SELECT 1")
                await _update_locks(driver, wanted, locked)
            # Earlier notifications were missed.
            for run_id in wanted - locked if self._is_receiving else [None]:
                self._on_change(run_id)
            self._is_receiving = True
            locked = wanted
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTEN_CHECK_S):
                    await self._is_changed.wait()

    def _on_notification(self, _: Any, server_pid: int, __: str, payload: Any) -> None:
        if payload == self._check:
            self._is_check_received.set()
        elif not self._is_own(server_pid) and not str(payload).startswith(_CHECK_MARK):
            self._on_change(str(payload))


async def _update_locks(driver: PostgresDriver, wanted: frozenset[str], locked: frozenset[str]) -> None:
    """Acquire the locks of the followed runs, and release those of others."""
    for run_id in locked - wanted:
        await driver.fetchval("SELECT pg_advisory_unlock_shared($1, hashtext($2))", _LOCKS, run_id)
    for run_id in wanted - locked:
        await driver.fetchval("SELECT pg_advisory_lock_shared($1, hashtext($2))", _LOCKS, run_id)

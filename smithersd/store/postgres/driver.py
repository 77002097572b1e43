"""asyncpg's connection, with the settings that a store needs."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from smithersd.posix.process.forks import keep_from_forks
from smithersd.store.postgres.address import Address

_LEAVE_TIMEOUT_S = 1.0


class PostgresDriver(asyncpg.Connection):
    """A connection that knows its socket."""

    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptor of the socket while it is open."""
        socket = self._transport.get_extra_info("socket")
        number = -1 if socket is None else socket.fileno()
        return () if number < 0 else (number,)


async def connect(address: Address) -> PostgresDriver:
    """Open a connection. No settings are sent along: a pooling proxy would refuse them.

    Raises:
        TimeoutError: connecting took too long.
        Exception: any error of asyncpg or the operating system.
    """
    async with asyncio.timeout(address.connect_timeout_s):
        driver: PostgresDriver = await asyncpg.connect(
            address.dsn,
            password=address.password,
            timeout=address.connect_timeout_s,
            statement_cache_size=0 if address.is_pooled else 100,
            max_cached_statement_lifetime=0,
            connection_class=PostgresDriver,
        )
    # While a worker of a task's process pool has it open, the server does not see that we have ended, and a transaction
    # of ours would hold its locks.
    keep_from_forks(driver.descriptors)
    return driver


async def leave(driver: PostgresDriver) -> None:
    """Close the connection, or abort it if the server does not answer."""
    try:
        await driver.close(timeout=_LEAVE_TIMEOUT_S)
    except Exception:  # noqa: BLE001 - it is closed one way or the other
        driver.terminate()


def storable(parameters: Sequence[Any]) -> Sequence[Any]:
    """Return parameters that PostgreSQL can hold: a text of it has no NUL, so one becomes U+FFFD."""
    if any(type(value) is str and "\0" in value for value in parameters):
        return [value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in parameters]
    return parameters

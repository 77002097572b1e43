"""Open and close asyncpg connections with the settings that a store needs."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from smithersd.posix.process.forks import keep_from_forks
from smithersd.store.postgres.address import Address

_DISCONNECT_TIMEOUT_S = 1.0


class PostgresDriver(asyncpg.Connection):
    """A connection with access to its socket."""

    def descriptors(self) -> tuple[int, ...]:
        """Return the file descriptor of the socket, or nothing if it is closed."""
        socket = self._transport.get_extra_info("socket")
        descriptor = -1 if socket is None else socket.fileno()
        return () if descriptor < 0 else (descriptor,)


async def connect(address: Address) -> PostgresDriver:
    """Open a connection, without session settings, which a pooling proxy would refuse.

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
    # If a forked child kept the socket open after this process has ended, the server would not end the session, and
    # its transaction would keep its locks.
    keep_from_forks(driver.descriptors)
    return driver


async def disconnect(driver: PostgresDriver) -> None:
    """Close the connection, or abort it if the server does not answer."""
    try:
        await driver.close(timeout=_DISCONNECT_TIMEOUT_S)
    except Exception:  # noqa: BLE001 - whatever it is, the connection is aborted
        driver.terminate()


def storable(parameters: Sequence[Any]) -> Sequence[Any]:
    """Return parameters that PostgreSQL can store: its texts cannot contain NUL, which is replaced by U+FFFD."""
    if any(type(value) is str and "\0" in value for value in parameters):
        return [value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in parameters]
    return parameters

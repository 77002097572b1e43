"""Run transactions on one connection, which is opened when it is needed and reopened after an error.

There is no session state: each transaction sets its own timeouts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, assert_never

from smithersd.errors import StoreUnavailable
from smithersd.limits import (
    POSTGRES_ANSWER_TIMEOUT_S,
    POSTGRES_IDLE_IN_TRANSACTION_MS,
    POSTGRES_LOCK_TIMEOUT_MS,
    POSTGRES_STATEMENT_TIMEOUT_MS,
)
from smithersd.store.postgres.address import Address
from smithersd.store.postgres.driver import PostgresDriver, connect, disconnect, storable
from smithersd.store.postgres.refusals import is_refusal, unavailable
from smithersd.store.statements import Dialect, Many, Page, Row, Statement, Transaction, statements

T = TypeVar("T")

_TIMEOUTS = (
    f"SET LOCAL statement_timeout = {POSTGRES_STATEMENT_TIMEOUT_MS};"
    f"SET LOCAL lock_timeout = {POSTGRES_LOCK_TIMEOUT_MS};"
    f"SET LOCAL idle_in_transaction_session_timeout = {POSTGRES_IDLE_IN_TRANSACTION_MS}"
)
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_TIMEOUTS}"


def dialect(schema: str) -> Dialect:
    """Return PostgreSQL's dialect for the tables of one schema."""
    quoted = schema.replace('"', '""')
    return Dialect(
        "postgres",
        now_ms="(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        table_prefix=f'"{quoted}".smithers_',
        has_named_parameters=False,
    )


class Connection:
    """A connection that one transaction at a time uses."""

    def __init__(self, address: Address, schema: str, driver: PostgresDriver | None = None) -> None:
        self._address = address
        self._texts = statements(dialect(schema))
        self._driver = driver
        self._lock = asyncio.Lock()

    @property
    def server_pid(self) -> int | None:
        """The pid of the server process, while there is a connection."""
        return None if self._driver is None else self._driver.get_server_pid()

    async def write(self, transaction: Transaction[T]) -> T:
        """Run a transaction; all of it is durable when this returns.

        Raises:
            StoreUnavailable: nothing was written, or the server's reply was lost.
        """
        async with self._lock:
            return await self._guarded(lambda: self._written(transaction))

    async def read(self, transaction: Transaction[T]) -> T:
        """Run a transaction that only reads; each of its statements sees one state of the database.

        Raises:
            StoreUnavailable: the database refused.
        """
        async with self._lock:
            if self._address.is_pooled:  # a statement must run in the session that prepared it
                return await self._guarded(lambda: self._written(transaction))
            return await self._guarded(lambda: self._run(transaction))

    async def close(self) -> None:
        """Close the connection, once the running transaction has ended."""
        async with self._lock:
            if self._driver is not None:
                await disconnect(self._driver)
                self._driver = None

    async def _guarded(self, work: Callable[[], Awaitable[T]]) -> T:
        """Bound the work in time, and drop a connection whose state is unknown."""
        try:
            async with asyncio.timeout(POSTGRES_ANSWER_TIMEOUT_S):
                await self._reconnect()
                return await work()
        except BaseException as error:
            is_closed = self._driver is None or self._driver.is_closed()
            is_refused = is_refusal(error, is_closed=is_closed)
            if is_refused or is_closed or not isinstance(error, Exception):
                self._drop()
            if is_refused:
                raise unavailable(error, self._address.shown) from error
            raise

    async def _written(self, transaction: Transaction[T]) -> T:
        driver = self._connected
        await driver.execute(_BEGIN)
        try:
            value = await self._run(transaction)
        except Exception as error:
            if not is_refusal(error, is_closed=driver.is_closed()):
                await driver.execute("ROLLBACK")
            raise
        if await driver.execute("COMMIT") != "COMMIT":
            raise StoreUnavailable(f"The store {self._address.shown} rolled a transaction back.", remedy="Try again.")
        return value

    async def _run(self, transaction: Transaction[T]) -> T:
        try:
            wanted = next(transaction)
            while True:
                wanted = transaction.send(await self._rows(wanted))
        except StopIteration as stop:
            value: T = stop.value
            return value

    async def _rows(self, wanted: Statement | Many | Page) -> list[Row]:
        text = self._texts[wanted.name]
        rows: list[Row] = []
        match wanted:
            case Statement():
                rows = await self._connected.fetch(text.sql, *storable(text.numbered(wanted.parameters)))
            case Many():
                await self._connected.executemany(text.sql, [storable(text.numbered(row)) for row in wanted.parameters])
            case Page():
                parameters = {**wanted.parameters, "bytes_max": wanted.bytes_max}
                rows = await self._connected.fetch(text.sql, *storable(text.numbered(parameters)))
            case _:
                assert_never(wanted)
        return rows

    @property
    def _connected(self) -> PostgresDriver:
        assert self._driver is not None
        return self._driver

    async def _reconnect(self) -> None:
        """Connect if there is no connection, or the server has closed it."""
        if self._driver is not None and self._driver.is_closed():
            self._drop()
        if self._driver is None:
            try:
                self._driver = await connect(self._address)
            except Exception as error:  # may be temporary whatever it is, since connecting has worked before
                raise unavailable(error, self._address.shown) from error

    def _drop(self) -> None:
        if self._driver is not None:
            self._driver.terminate()
            self._driver = None

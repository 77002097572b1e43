"""PostgreSQL as a `Database`: a connection that writes, one that reads, and one for notifications of followed runs."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from smithersd.errors import SmithersError, StoreInvalid, StoreUnavailable, UserError
from smithersd.store.database import OnChange
from smithersd.store.postgres.address import Address, parse_address
from smithersd.store.postgres.connection import Connection
from smithersd.store.postgres.driver import PostgresDriver, connect, disconnect
from smithersd.store.postgres.listener import Listener
from smithersd.store.postgres.migrations import chosen_schema, migrate
from smithersd.store.postgres.refusals import refused_at_start
from smithersd.store.statements import Transaction

T = TypeVar("T")


class PostgresDatabase:
    """A schema of a PostgreSQL database; `driver` is the writing connection."""

    def __init__(self, address: Address, schema: str, driver: PostgresDriver) -> None:
        self._address = address
        self._schema = schema
        self._writer = Connection(address, schema, driver)
        self._reader = Connection(address, schema)
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    @property
    def url(self) -> str:
        """The URL without the password."""
        return self._address.shown

    async def write(self, transaction: Transaction[T]) -> T:
        """Run a transaction on the writing connection, after those that came before."""
        return await self._uncancelled(self._writer.write(transaction))

    def write_from_thread(self, transaction: Transaction[T]) -> T:
        """Run a transaction on a new connection in a new event loop: the others belong to the loop that is blocked.

        If the blocked loop has locked the run's row in a transaction, the server ends that transaction after 5 s.
        """
        return asyncio.run(self._written_alone(transaction))

    async def read(self, transaction: Transaction[T]) -> T:
        """Run a reading transaction on the reading connection."""
        return await self._uncancelled(self._reader.read(transaction))

    async def check_place(self) -> None:
        """Do nothing: a server reports by itself that a database is gone."""

    def watch(self, on_change: OnChange | None, followed: frozenset[str] = frozenset()) -> None:
        """Listen for commits of other processes."""
        if on_change is None or self._is_closed:
            self._stop_listening()
            return
        if self._listener is None:
            self._listener = Listener(self._address, on_change, self._is_own)
            self._listener.start()
        self._listener.follow(followed)

    async def _written_alone(self, transaction: Transaction[T]) -> T:
        connection = Connection(self._address, self._schema)
        try:
            return await connection.write(transaction)
        finally:
            await connection.close()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            _ = self._own(self._listener.stop())
            self._listener = None

    async def back_up(self, target: Path) -> None:  # noqa: ARG002 - the protocol's
        """Refuse to back up a PostgreSQL database, which has its own tools for that.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"The store {self.url} is a PostgreSQL database, which smithers does not back up.",
            remedy="Use pg_dump, or the backup tool of the server's operator.",
        )

    async def close(self) -> None:
        """Finish the running transactions, then close all connections."""
        self._is_closed = True
        self._stop_listening()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._writer.close(), self._reader.close())

    async def _uncancelled(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the work; cancelling the caller does not cancel the work."""
        if self._is_closed:
            work.close()
            raise StoreUnavailable("The store is closed.", remedy="Open it again.")
        return await asyncio.shield(self._own(work))

    def _own(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it is raised where the work is awaited

    def _is_own(self, server_pid: int) -> bool:
        return server_pid == self._writer.server_pid


async def open_postgres(url: str, *, must_exist: bool) -> PostgresDatabase:
    """Open a store in PostgreSQL; its schema is created, unless it `must_exist`, and migrated if needed.

    Raises:
        StoreInvalid: the URL, the role or its rights are wrong, or there is no store and it `must_exist`.
        StoreUnavailable: the server cannot be reached within the connect timeout.
        StoreTooNew: a later version of smithersd wrote the store.
    """
    address = parse_address(url)
    driver: PostgresDriver | None = None
    try:
        driver = await connect(address)
        await _check_pooling(driver, address)
        schema = await chosen_schema(driver, address.schema)
        await migrate(driver, schema, must_exist=must_exist)
        return PostgresDatabase(address, schema, driver)
    except BaseException as error:
        if driver is not None:
            await disconnect(driver)
        if isinstance(error, SmithersError) or not isinstance(error, Exception):
            raise
        raise refused_at_start(error, address.shown) from error


async def _check_pooling(driver: PostgresDriver, address: Address) -> None:
    """Check that the URL names a proxy if there is one, which shows in a server pid that is not the session's.

    Otherwise a prepared statement could run in another session, where another client's statement has the same name.

    Raises:
        StoreInvalid: the connection goes through a proxy whose kind the URL does not name.
    """
    if address.pooling is None and await driver.fetchval("SELECT pg_backend_pid()") != driver.get_server_pid():
        raise StoreInvalid(
            f"The connection to the database {address.shown} goes through a proxy.",
            remedy="Name the kind of proxy in the URL: ?pooling=transaction, or ?pooling=session.",
        )

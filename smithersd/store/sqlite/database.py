"""SQLite as a database: a file, one thread that writes, a few that read."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smithersd.errors import StoreInvalid
from smithersd.store.sqlite import connection as sqlite
from smithersd.store.sqlite.forks import forget, remember
from smithersd.store.sqlite.migrations import migrate
from smithersd.store.sqlite.threads import Readers, Writer
from smithersd.store.statements import Transaction

T = TypeVar("T")


class SqliteDatabase:
    """An open SQLite file."""

    def __init__(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        self._path = path
        self._writer = Writer(path, loop)
        self._readers = Readers(path, loop)
        remember(path)

    @property
    def url(self) -> str:
        """The file as a store URL."""
        return f"sqlite:///{self._path}"

    async def write(self, transaction: Transaction[T]) -> T:
        """Run a transaction in the writer's thread, in one hop."""
        return await self._writer.submit(transaction)

    async def read(self, transaction: Transaction[T]) -> T:
        """Run a reading transaction in a reader's thread."""
        return await self._readers.submit(transaction)

    def watch(self, on_change: Callable[[], None] | None) -> None:
        """Look every 50 ms whether another process has committed."""
        self._writer.watch(on_change)

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        await self._readers.close()
        await self._writer.close()
        forget(self._path)


async def open_sqlite(path: Path) -> SqliteDatabase:
    """Open a file, made and migrated if need be; it and its folder are for their owner only.

    Raises:
        StoreInvalid: it cannot be a store.
        StoreTooNew: a later version of smithersd wrote it.
    """
    path = path.absolute()
    try:
        await asyncio.to_thread(_prepare, path)
        return SqliteDatabase(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreInvalid(
            f"{str(path)!r} cannot be opened as a store: {error}.",
            remedy="Name a file of ours, or a new one in a folder that you may write to.",
        ) from error


def _prepare(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite.connect(path)
    try:
        migrate(connection)
    finally:
        connection.close()

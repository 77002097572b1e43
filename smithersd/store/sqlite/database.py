"""SQLite as a `Database`: a file, one thread that writes, and a few that read."""

import asyncio
import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from smithersd.errors import StoreInvalid
from smithersd.store.database import OnChange
from smithersd.store.sqlite import connection as sqlite
from smithersd.store.sqlite.backup import back_up
from smithersd.store.sqlite.file import OpenFile
from smithersd.store.sqlite.forks import forget, remember
from smithersd.store.sqlite.migrations import migrate
from smithersd.store.sqlite.threads import ReaderThreads, WriterThread
from smithersd.store.statements import Statement, Transaction

T = TypeVar("T")

_preparing = threading.Lock()
"""Held so that no other thread opens a file between its creation and its closing."""


class SqliteDatabase:
    """An open SQLite file; `connection` is the writing one."""

    def __init__(self, file: OpenFile, connection: sqlite3.Connection) -> None:
        loop = asyncio.get_running_loop()
        self._file = file
        self._writer = WriterThread(connection, loop)
        self._readers = ReaderThreads(file, loop)
        remember(file.path)

    @property
    def url(self) -> str:
        """The store URL of the file."""
        return f"sqlite:///{self._file.path}"

    async def write(self, transaction: Transaction[T]) -> T:
        """Run a transaction in the writer's thread."""
        return await self._writer.submit(transaction)

    def write_from_thread(self, transaction: Transaction[T]) -> T:
        """Check that the file is still the one at its path, and run a transaction in the writer's thread."""
        self._file.check()
        return self._writer.wait_for(transaction)

    async def read(self, transaction: Transaction[T]) -> T:
        """Run a reading transaction in a reader's thread."""
        return await self._readers.submit(transaction)

    async def check_place(self) -> None:
        """Check, in a reader's thread, that the file is still the one at its path."""
        await self._readers.submit(self._looking())

    def watch(self, on_change: OnChange | None, followed: frozenset[str] = frozenset()) -> None:  # noqa: ARG002
        """Check every 50 ms whether another process has committed, for whatever run."""
        self._writer.watch(on_change)

    async def back_up(self, target: Path) -> None:
        """Copy the file, with a connection and a thread of its own."""
        await asyncio.to_thread(back_up, self._file.path, target)

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        await self._readers.close()
        await self._writer.close()
        forget(self._file.path)

    def _looking(self) -> Transaction[None]:
        self._file.check()
        yield Statement("ping")


async def open_sqlite(path: Path) -> SqliteDatabase:
    """Open a store file, which is created and migrated if needed; a new folder is readable by its owner only.

    Raises:
        StoreInvalid: the file cannot be a store.
        StoreTooNew: a later version of smithersd wrote it.
    """
    path = path.absolute()
    try:
        return SqliteDatabase(*await asyncio.to_thread(_prepared, path))
    except (sqlite3.Error, OSError) as error:
        raise StoreInvalid(
            f"{str(path)!r} cannot be opened as a store: {error}.",
            remedy="Name a store file, or a new file in a folder that you can write to.",
        ) from error


def _prepared(path: Path) -> tuple[OpenFile, sqlite3.Connection]:
    with _preparing:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
        connection = sqlite.connect(path)
    try:
        migrate(connection)
        connection.execute("PRAGMA busy_timeout = 0")
        return OpenFile.at(path), connection
    except BaseException:
        connection.close()
        raise


def _create(path: Path) -> None:
    """Create the file, readable by its owner only, if there is none.

    An existing file is not opened here: closing it would drop the locks that SQLite holds on it in this process
    (POSIX locks belong to the process, not to the descriptor), and another process would treat the log as unused.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

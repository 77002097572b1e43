"""One SQLite connection, and how a transaction runs on it."""

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from smithersd.config import WRITE_LOCK_RETRY_S, WRITE_LOCK_TIMEOUT_S
from smithersd.errors import StoreUnavailable
from smithersd.store.statements import Row, Statement, Transaction, statements

T = TypeVar("T")

NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
"""The database's clock in milliseconds (SQLite has none of its own: the host's, read inside the statement)."""

OPEN_TIMEOUT_S = 10.0
"""How long opening, migrating and reading wait for another process's lock."""

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection for reading and for preparing; durable in WAL mode, so that a commit survives a power cut."""
    connection = sqlite3.connect(path, timeout=OPEN_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def read(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    """Run a transaction that only reads; each of its statements sees one state of the database."""
    try:
        return _run(connection, transaction)
    except sqlite3.DatabaseError as error:
        raise refusal(error) from error


def write(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    """Run a transaction that writes: all of it is durable when this returns, or nothing when it raises."""
    try:
        _begin(connection)
        try:
            value = _run(connection, transaction)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # what matters is the error that led here
                connection.execute("ROLLBACK")
            raise
    except sqlite3.DatabaseError as error:
        raise refusal(error) from error
    return value


def data_version(connection: sqlite3.Connection) -> int:
    """A number that changes with every commit of any other connection."""
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _begin(connection: sqlite3.Connection) -> None:
    """Take the write lock, asking again at once rather than by SQLite's own back-off.

    That back-off sleeps longer and longer, and starves beside a process that commits at full speed.
    """
    deadline_s = time.monotonic() + WRITE_LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(WRITE_LOCK_RETRY_S)
        else:
            return


def _run(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    texts = statements(NOW_MS)
    rows: list[Row]
    try:
        wanted = next(transaction)
        while True:
            if isinstance(wanted, Statement):
                rows = connection.execute(texts[wanted.name], wanted.parameters).fetchall()
            else:
                connection.executemany(texts[wanted.name], wanted.parameters)
                rows = []
            wanted = transaction.send(rows)
    except StopIteration as stop:
        value: T = stop.value
        return value


def refusal(error: sqlite3.Error) -> Exception:
    """A fault of the disk or of another process may pass; one of our own SQL is a bug and stays what it is."""
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
        return error
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    return StoreUnavailable(
        f"The SQLite store refused: {error} ({name}).", remedy="Look at the disk's free space and health."
    )

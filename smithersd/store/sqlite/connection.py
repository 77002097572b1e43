"""Open a SQLite connection, and run transactions on it."""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, assert_never

from smithersd.errors import StoreUnavailable
from smithersd.limits import WRITE_LOCK_RETRY_S, WRITE_LOCK_TIMEOUT_S
from smithersd.store.statements import Dialect, Many, Page, Row, Statement, Transaction, statements

T = TypeVar("T")

DIALECT = Dialect(
    "sqlite", now_ms="CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)", has_named_parameters=True
)
"""SQLite's dialect. SQLite has no clock of its own, so a statement reads the host's."""

OPEN_TIMEOUT_S = 10.0
"""How long opening, migrating and reading wait for another process's lock, in seconds."""

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PRIMARY_CODE = 0xFF
"""The bits of an error code that name the kind of error; the others name the reason."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection to an existing file, in WAL mode with full synchronisation: a commit survives a power failure.

    Raises:
        sqlite3.Error: there is no such file, or it cannot be opened.
    """
    uri = f"{path.as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=OPEN_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        _run_until_unlocked(connection, "PRAGMA journal_mode = WAL", timeout_s=OPEN_TIMEOUT_S)  # which does not wait
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def read(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    """Run a transaction that only reads; each of its statements sees one state of the database.

    Raises:
        StoreUnavailable: SQLite refused for a reason that may be temporary.
    """
    try:
        return _run(connection, transaction)
    except sqlite3.DatabaseError as error:
        raise refusal(error) from error


def write(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    """Run a transaction that writes: all of it is durable when this returns, or nothing is written if it raises.

    Raises:
        StoreUnavailable: SQLite refused for a reason that may be temporary.
    """
    try:
        _run_until_unlocked(connection, "BEGIN IMMEDIATE", timeout_s=WRITE_LOCK_TIMEOUT_S)
        try:
            value = _run(connection, transaction)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # the first error is the one to report
                connection.execute("ROLLBACK")
            raise
    except sqlite3.DatabaseError as error:
        raise refusal(error) from error
    return value


def data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes with every commit of any other connection."""
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _run_until_unlocked(connection: sqlite3.Connection, statement: str, *, timeout_s: float) -> None:
    """Run a statement that needs the write lock, and retry it at short intervals instead of with SQLite's own back-off.

    That back-off sleeps longer and longer, and hardly ever gets the lock beside a process that commits at full speed.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE not in _BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(WRITE_LOCK_RETRY_S)
        else:
            return


def _run(connection: sqlite3.Connection, transaction: Transaction[T]) -> T:
    texts = statements(DIALECT)
    try:
        wanted = next(transaction)
        while True:
            wanted = transaction.send(_rows(connection, texts[wanted.name].sql, wanted))
    except StopIteration as stop:
        value: T = stop.value
        return value


def _rows(connection: sqlite3.Connection, text: str, wanted: Statement | Many | Page) -> list[Row]:
    match wanted:
        case Statement():
            return connection.execute(text, wanted.parameters).fetchall()
        case Many():
            connection.executemany(text, wanted.parameters)
            return []
        case Page():
            return list(_as_far_as_fit(connection.execute(text, wanted.parameters), wanted))
        case _:
            assert_never(wanted)


def _as_far_as_fit(rows: Iterable[Row], page: Page) -> Iterator[Row]:
    """Yield rows while they fit, so that those that do not are never in memory."""
    size = 0
    for row in rows:
        length = len(row[page.sized_by])
        size += length
        if size > page.bytes_max and size > length:
            return
        yield row


def refusal(error: sqlite3.Error) -> Exception:
    """Return StoreUnavailable for an error of the disk or of another process; return a fault of the SQL unchanged."""
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
        return error
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    return StoreUnavailable(
        f"The SQLite store refused: {error} ({name}).", remedy="Check the disk's free space and health."
    )

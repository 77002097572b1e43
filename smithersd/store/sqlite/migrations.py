"""Migrate a SQLite store to this version's schema."""

import sqlite3
from collections.abc import Iterator

from smithersd.store.migrations import Migration, migrations, missing

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
  version INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL
) STRICT
"""


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the missing migrations in one transaction; another process may do the same at the same time.

    Raises:
        StoreTooNew: a later version of smithersd wrote the store.
        StoreInvalid: an applied migration differs from the one here.
    """
    known = migrations("sqlite")
    if not missing(known, _applied(connection)):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_TABLE)
        for migration in missing(known, _applied(connection)):
            _apply(connection, migration)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _applied(connection: sqlite3.Connection) -> dict[int, str]:
    has_table = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'"
    ).fetchone()
    if has_table is None:
        return {}
    return dict(connection.execute("SELECT version, checksum FROM migrations"))


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    for statement in _split(migration.text):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO migrations (version, name, checksum) VALUES (?, ?, ?)",
        (migration.version, migration.name, migration.checksum),
    )


def _split(text: str) -> Iterator[str]:
    """Split a script into statements; sqlite3's own executescript would commit the open transaction."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement
            statement = ""

"""Bringing a SQLite store up to date: numbered SQL files, forward only, each recorded with its checksum."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from smithersd.errors import StoreInvalid, StoreTooNew

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
  version INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Return all migrations of this version, in order."""
    folder = resources.files("smithersd.store") / "sql" / "migrations" / "sqlite"
    found = [
        Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name))
    ]
    return sorted(found, key=lambda one: one.version)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing, in one transaction; safe beside another process that does the same.

    Raises:
        StoreTooNew: a later version of smithersd wrote this store.
        StoreInvalid: a migration was applied in another form than ours.
    """
    known = migrations()
    if _applied(connection) == {one.version: one.checksum for one in known}:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_TABLE)
        applied = _applied(connection)
        _check(applied, known)
        for migration in known:
            if migration.version not in applied:
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


def _check(applied: dict[int, str], known: list[Migration]) -> None:
    latest = known[-1].version
    if applied and max(applied) > latest:
        raise StoreTooNew(
            f"The store is at schema {max(applied)}, this smithersd knows {latest}.",
            remedy="Install the version of smithersd that wrote it, or a later one.",
        )
    for one in known:
        if applied.get(one.version, one.checksum) != one.checksum:
            raise StoreInvalid(
                f"Migration {one.version} ({one.name}) of the store is not the one that this smithersd has.",
                remedy="The store comes from a changed build; open it with that one.",
            )


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    for statement in _split(migration.text):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO migrations (version, name, checksum) VALUES (?, ?, ?)",
        (migration.version, migration.name, migration.checksum),
    )


def _split(text: str) -> Iterator[str]:
    """Cut a script into statements; sqlite3's own executescript would commit what is under way."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement
            statement = ""

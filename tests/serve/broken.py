"""A store that refuses everything for a while, as a disk in trouble does."""

import sqlite3
from contextlib import closing
from pathlib import Path

_TABLES = ("events", "requests", "outputs", "frames", "waits", "runs")


def break_store(path: Path) -> None:
    """Take the tables away from whoever has the store open."""
    _rename(path, [(table, f"gone_{table}") for table in _TABLES])


def mend_store(path: Path) -> None:
    """Put them back."""
    _rename(path, [(f"gone_{table}", table) for table in _TABLES])


def _rename(path: Path, names: list[tuple[str, str]]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for before, after in names:
            connection.execute(f"ALTER TABLE {before} RENAME TO {after}")
        connection.execute("COMMIT")

"""The databases that every test of the store runs on, and what a test needs of one beside the store itself."""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol


class Backend(Protocol):
    """A fresh, empty database."""

    name: str
    url: str

    async def checks(self, table: str) -> list[str]:
        """Return a table's CHECK conditions, those that begin with a column's name first of all."""

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement beside the store. `{runs}`, `{events}` ... stand for the tables."""

    async def schema(self) -> list[str]:
        """Describe every table, index, view and trigger."""


class SqliteBackend:
    """A file."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    async def checks(self, table: str) -> list[str]:
        rows = await self.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,))
        return re.findall(r"CHECK \((\w+ IN \(.*?\))\)", rows[0][0], re.DOTALL)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            return connection.execute(re.sub(r"\{(\w+)\}", r"\1", sql), parameters).fetchall()

    async def schema(self) -> list[str]:
        rows = await self.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")
        return [row[0] for row in rows]

"""The databases that every test of the store runs on, and what a test needs of one beside the store itself."""

import re
import secrets
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from tests.support.postgres_server import PostgresServer


class Backend(Protocol):
    """A fresh, empty database."""

    name: str
    url: str

    async def checks(self, table: str) -> list[str]:
        """Return a table's CHECK conditions of the form: column is one of these."""

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


class PostgresBackend:
    """A database of its own on a server that all tests share."""

    name = "postgres"

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server = server
        self.database = database
        self.url = server.url(database)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.server.url(self.database))
        try:
            rows = await connection.fetch(re.sub(r"\{(\w+)\}", r"smithers_\1", sql), *parameters)
            return [tuple(row) for row in rows]
        finally:
            await connection.close()

    async def administer(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement from another database of the server; `{database}` stands for this one."""
        return await PostgresBackend(self.server, "postgres").execute(sql.replace("{database}", self.database))

    async def sessions(self) -> int:
        """Count the connections to this database."""
        ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"
        count: int = (await self.administer(ours))[0][0]
        return count

    async def end_sessions(self) -> None:
        """Break all connections to this database, as a restart would."""
        await self.administer(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
        )

    async def schema(self) -> list[str]:
        rows = await self.execute(_POSTGRES_SCHEMA)
        return [row[0] for row in rows]

    async def checks(self, table: str) -> list[str]:
        rows = await self.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = $1::text::regclass",
            (f"smithers_{table}",),
        )
        return [row[0].removeprefix("CHECK (").lstrip("(") for row in rows if "= ANY" in row[0]]


_POSTGRES_SCHEMA = """
SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, collation_name)
FROM information_schema.columns WHERE table_schema = current_schema()
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT viewname || definition FROM pg_views WHERE schemaname = current_schema()
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT conrelid::regclass || pg_get_constraintdef(oid) FROM pg_constraint
  WHERE connamespace = current_schema()::regnamespace
ORDER BY 1
"""


@asynccontextmanager
async def postgres_database(server: PostgresServer) -> AsyncIterator[PostgresBackend]:
    """Take an empty database of the server's; it is emptied afterwards, which is quicker than making a new one."""
    name = server.spare.pop() if server.spare else await _new_database(server)
    backend = PostgresBackend(server, name)
    try:
        yield backend
    finally:
        await backend.end_sessions()
        await backend.administer("ALTER DATABASE {database} RESET ALL")
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        for (schema,) in await backend.execute(schemas):
            quoted = schema.replace('"', '""')
            await backend.execute(f'DROP SCHEMA "{quoted}" CASCADE')
        await backend.execute("CREATE SCHEMA public")
        await backend.execute("GRANT USAGE ON SCHEMA public TO public")
        server.spare.append(name)


async def _new_database(server: PostgresServer) -> str:
    name = f"test_{secrets.token_hex(6)}"
    await PostgresBackend(server, "postgres").execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return name

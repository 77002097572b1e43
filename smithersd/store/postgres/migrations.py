"""Migrate a PostgreSQL store to this version's schema."""

import hashlib

import asyncpg

from smithersd.errors import StoreInvalid
from smithersd.limits import POSTGRES_LOCK_TIMEOUT_MS
from smithersd.store.migrations import migrations, missing
from smithersd.store.postgres.driver import PostgresDriver

_TABLE = """
CREATE TABLE IF NOT EXISTS smithers_migrations (
  version BIGINT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL
)
"""


async def chosen_schema(driver: PostgresDriver, wanted: str | None) -> str:
    """Return the schema for the tables: the one in the URL, or the first on the role's search path.

    Raises:
        StoreInvalid: the URL names no schema, and the role's search path has none.
    """
    schema: str | None = wanted or await driver.fetchval("SELECT current_schema()")
    if schema is None:
        raise StoreInvalid("The role has no schema on its search path.", remedy="Name one in the URL: ?schema=name.")
    return schema


async def migrate(driver: PostgresDriver, schema: str, *, must_exist: bool) -> None:
    """Apply the missing migrations in one transaction; other processes may do the same at the same time.

    A role without the right to change the schema may use one that is up to date.

    Raises:
        StoreTooNew: a later version of smithersd wrote the store.
        StoreInvalid: an applied migration differs from the one here, or there is no store and it `must_exist`.
    """
    known = migrations("postgres")
    applied = await _applied(driver, schema)
    if must_exist and not applied:
        raise StoreInvalid(
            f"There is no store in schema {schema!r} of the database.", remedy="The first `smithers up` creates one."
        )
    if not missing(known, applied):
        return
    async with driver.transaction(isolation="read_committed"):
        await driver.execute(f"SET LOCAL lock_timeout = {POSTGRES_LOCK_TIMEOUT_MS}")
        await driver.execute("SELECT pg_advisory_xact_lock($1)", _lock_number(schema))
        await _use_schema(driver, schema)
        await driver.execute(_TABLE)
        for migration in missing(known, await _applied(driver, schema)):
            await driver.execute(migration.text)
            await driver.execute(
                "INSERT INTO smithers_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )


async def _use_schema(driver: PostgresDriver, schema: str) -> None:
    """Create the schema if needed, and make it the current one for the rest of the transaction."""
    if await driver.fetchval("SELECT to_regnamespace(quote_ident($1))", schema) is None:
        await driver.execute(await driver.fetchval("SELECT format('CREATE SCHEMA %I', $1::text)", schema))
    await driver.fetchval("SELECT set_config('search_path', quote_ident($1), true)", schema)


async def _applied(driver: PostgresDriver, schema: str) -> dict[int, str]:
    table = await driver.fetchval("SELECT format('%I.smithers_migrations', $1::text)", schema)
    try:
        rows = await driver.fetch(f"SELECT version, checksum FROM {table}")  # noqa: S608 - quoted by the server
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return {}
    return {row[0]: row[1] for row in rows}


def _lock_number(schema: str) -> int:
    """Return the number of the advisory lock for migrations of this schema, which nobody else is likely to use."""
    return int.from_bytes(hashlib.sha256(f"smithersd {schema}".encode()).digest()[:8], signed=True)

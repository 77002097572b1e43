"""The limit on PostgreSQL: a bare asyncpg loop that writes the rows of a finished run again, and does nothing else.

One transaction a step, on one connection, with prepared statements: the writes that ours does too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import asyncpg

from benchmarks.bare import FIRST, Recording, Rows, steps_of
from benchmarks.workflows import RUN_ID

_EVENT = "INSERT INTO smithers_events VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_OUTPUT = "INSERT INTO smithers_outputs (run_id, node_id, iteration, output, created_at_ms) VALUES ($1,$2,$3,$4,$5)"
_ADVANCE = (
    "UPDATE smithers_runs SET status = $1, last_seq = $2, lease_expires_at_ms = $3 WHERE run_id = $4 AND fence = 1"
)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Connect to the schema of a store."""
    address, _, schema = url.partition("?schema=")
    connection = await asyncpg.connect(address, server_settings={"search_path": schema})
    try:
        yield connection
    finally:
        await connection.close()


async def recording_of(url: str, *, ends_per_commit: int) -> Recording:
    """Read a run back; each transaction ends that many nodes and starts those that follow."""
    async with connected(url) as connection:
        first = {table: await _rows(connection, f"SELECT * FROM smithers_{table}") for table in FIRST}  # noqa: S608
        outputs = await _rows(connection, "SELECT * FROM smithers_outputs")
        events = await _rows(connection, "SELECT * FROM smithers_events ORDER BY seq")
    return Recording(first, steps_of(events, outputs, ends_per_commit=ends_per_commit))


async def write_s(url: str, recording: Recording) -> float:
    """Write the transactions into an empty store; return how long that took."""
    status = recording.first["runs"][0][4]
    async with connected(url) as connection:
        begun = perf_counter()
        async with connection.transaction():
            for table, rows in recording.first.items():
                marks = ", ".join(f"${number + 1}" for number in range(len(rows[0])))
                await connection.executemany(f"INSERT INTO smithers_{table} VALUES ({marks})", rows)  # noqa: S608
        for step in recording.steps:
            async with connection.transaction():
                await connection.execute(_ADVANCE, status, step.events[-1][1], None, RUN_ID)
                await connection.executemany(_EVENT, step.events)
                if step.outputs:
                    await connection.executemany(_OUTPUT, step.outputs)
        return perf_counter() - begun


async def _rows(connection: "asyncpg.Connection[asyncpg.Record]", query: str) -> Rows:
    return [tuple(row) for row in await connection.fetch(query)]

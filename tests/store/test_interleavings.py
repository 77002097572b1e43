"""A decision beside the commit that ends the run or closes the wait, stopped at every statement: nothing is overtaken.

SQLite runs one writing transaction at a time, so this is PostgreSQL's to prove.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from smithersd.core.log.states import RunStatus, WaitStatus
from smithersd.errors import ApprovalNotPending, RunNotActive, SmithersError
from smithersd.store import Store, open_store
from smithersd.store.commit import commit_step
from smithersd.store.postgres.connection import dialect
from smithersd.store.records import Batch, Commit, RequestKind
from smithersd.store.requests import submit_cancel, submit_decision
from smithersd.store.statements import Many, Statement, Transaction, statements
from tests.store.rows import NOW_MS, approval, begin, decision, end, event, pending, step
from tests.support.backends import PostgresBackend
from tests.support.waiting import DEADLINE_S

TEXTS = statements(dialect("public"))

END = replace(step("run-1", event(2)), closing=end(3), is_release=True)
UNMOUNT = replace(
    step("run-1", event(2)),
    closing=Batch(
        RunStatus.RUNNING,
        (event(3, "NodeCancelled", "approval"),),
        waits=(approval(status=WaitStatus.CANCELLED),),
    ),
)
REQUESTS = {
    RequestKind.DECIDE: lambda: submit_decision(*decision()),
    RequestKind.CANCEL: lambda: submit_cancel("run-1", NOW_MS, None),
}


class Stepwise:
    """A transaction on a connection of its own, of which each statement is run when the test says so."""

    def __init__(self, connection: asyncpg.Connection, transaction: Transaction[Any]) -> None:
        self._connection = connection
        self._transaction = transaction
        self._wanted: Any = next(transaction)
        self.value: Any = None

    async def run(self, count: int = 1 << 30) -> bool:
        """Run so many statements; return whether there were as many."""
        for _ in range(count):
            rows = await self._rows(self._wanted)
            try:
                self._wanted = self._transaction.send(rows)
            except StopIteration as stop:
                self.value = stop.value
                return False
        return True

    async def _rows(self, wanted: Statement | Many) -> list[Any]:
        text = TEXTS[wanted.name]
        if isinstance(wanted, Many):
            await self._connection.executemany(text.sql, [text.numbered(row) for row in wanted.parameters])
            return []
        rows: list[Any] = await self._connection.fetch(text.sql, *text.numbered(wanted.parameters))
        return rows


@asynccontextmanager
async def stepwise(url: str, transaction: Transaction[Any]) -> AsyncIterator[Stepwise]:
    """Begin a transaction; it is committed at the end of the block."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            yield Stepwise(connection, transaction)
    finally:
        await connection.close()


@pytest.fixture
async def store(postgres: PostgresBackend) -> AsyncIterator[Store]:
    async with open_store(postgres.url) as opened:
        await opened.commit(begin("run-1", pending(1, "approval"), waits=(approval(),)))
        yield opened


async def waits_for_a_lock(postgres: PostgresBackend) -> None:
    """Return once one session of the database waits for another."""
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
    async with asyncio.timeout(DEADLINE_S):
        while (await postgres.administer(blocked)) == [(0,)]:
            pass


@pytest.mark.parametrize("statement_count", [1, 2])
@pytest.mark.parametrize("kind", list(REQUESTS))
@pytest.mark.parametrize("closing", [END, UNMOUNT])
async def test_a_close_waits_for_a_request_that_is_being_accepted_and_then_yields_to_it(
    postgres: PostgresBackend, store: Store, closing: Commit, kind: RequestKind, statement_count: int
) -> None:
    async with stepwise(postgres.url, REQUESTS[kind]()) as request:
        await request.run(statement_count)
        committing = asyncio.ensure_future(store.commit(closing))
        await waits_for_a_lock(postgres)
        assert not await request.run()
    committed = await committing
    assert (committed.is_closed, [row.kind for row in committed.requests]) == (False, [kind])
    assert [row.id for row in await store.requests("run-1")] == [request.value.request_id]


@pytest.mark.parametrize("statement_count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("closing", "error"), [(END, RunNotActive), (UNMOUNT, ApprovalNotPending)])
async def test_a_decision_waits_for_a_close_that_is_under_way_and_is_then_refused(
    postgres: PostgresBackend, store: Store, closing: Commit, error: type[SmithersError], statement_count: int
) -> None:
    async with stepwise(postgres.url, commit_step(closing, 15_000)) as commit:
        await commit.run(statement_count)
        deciding = asyncio.ensure_future(store.submit_decision(*decision()))
        await waits_for_a_lock(postgres)
        assert not await commit.run()
    assert commit.value.is_closed
    with pytest.raises(error):
        await deciding
    assert await store.requests("run-1") == []


async def test_of_two_decisions_that_check_at_once_the_second_waits(postgres: PostgresBackend, store: Store) -> None:
    async with stepwise(postgres.url, submit_decision(*decision(by="ann"))) as first:
        await first.run(3)
        second = asyncio.ensure_future(store.submit_decision(*decision(by="bob")))
        await waits_for_a_lock(postgres)
        await first.run()
    with pytest.raises(SmithersError, match="already approved by ann"):
        await second

"""The schema: made once, brought up to date, and refused when it is not ours."""

import asyncio
import hashlib
import re

import pytest

from smithersd.core.log.states import AttemptState, NodeState, RunStatus, WaitStatus
from smithersd.errors import StoreInvalid, StoreTooNew
from smithersd.store import Store, open_store
from smithersd.store.migrations import migrations
from smithersd.store.postgres import migrations as postgres_migrations
from smithersd.store.records import EventRow
from smithersd.store.sqlite import migrations as sqlite_migrations
from tests.store.processes import ready_child
from tests.store.rows import NOW_MS, begin
from tests.support.backends import Backend

STATES = {
    ("runs", "status"): RunStatus,
    ("waits", "status"): WaitStatus,
}


async def test_a_store_is_opened_again_as_it_was(backend: Backend) -> None:
    async with open_store(backend.url) as store:
        await store.commit(begin())
    before = await backend.schema()
    async with open_store(backend.url) as store:
        assert (await store.run("run-1")).last_seq == 0
    assert await backend.schema() == before


async def test_a_store_that_was_migrated_step_by_step_is_as_a_fresh_one(
    backend: Backend, other_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in range(1, len(migrations(backend.name)) + 1):
        for module in (sqlite_migrations, postgres_migrations):
            monkeypatch.setattr(module, "migrations", lambda name, count=count: migrations(name)[:count])
        async with open_store(backend.url):
            pass
    monkeypatch.undo()
    async with open_store(other_backend.url):
        assert await backend.schema() == await other_backend.schema()


async def test_every_migration_is_recorded_with_its_checksum(backend: Backend, store: Store) -> None:
    rows = await backend.execute("SELECT version, checksum FROM {migrations} ORDER BY version")
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert {len(row[1]) for row in rows} == {len(hashlib.sha256().hexdigest())}


async def test_a_store_of_a_later_version_is_refused_and_left_alone(backend: Backend) -> None:
    async with open_store(backend.url):
        pass
    await backend.execute("INSERT INTO {migrations} (version, name, checksum) VALUES (9999, 'later', 'x')")
    before = await backend.schema()
    with pytest.raises(StoreTooNew, match="schema version 9999") as caught:
        async with open_store(backend.url):
            pass
    assert caught.value.remedy is not None
    assert "version of smithersd" in caught.value.remedy
    assert await backend.schema() == before


async def test_a_store_whose_migration_was_another_is_refused(backend: Backend) -> None:
    async with open_store(backend.url):
        pass
    await backend.execute("UPDATE {migrations} SET checksum = 'x' WHERE version = 1")
    with pytest.raises(StoreInvalid, match="Migration 1 "):
        async with open_store(backend.url):
            pass


async def test_many_who_open_a_new_store_at_once_all_get_it(backend: Backend) -> None:
    async def use(run_id: str) -> None:
        async with open_store(backend.url) as store:
            await store.commit(begin(run_id))

    await asyncio.gather(*(use(f"run-{i}") for i in range(6)))
    async with open_store(backend.url) as store:
        assert len(await store.runs(limit=9)) == 6


@pytest.mark.slow
async def test_processes_that_migrate_at_once_are_safe(backend: Backend) -> None:
    verb = ("migrate", backend.url)
    async with ready_child(*verb) as a, ready_child(*verb) as b, ready_child(*verb) as c, ready_child(*verb) as d:
        for child in (a, b, c, d):
            child.go()
        assert [await child.line() for child in (a, b, c, d)] == ["done"] * 4
    async with open_store(backend.url) as store:
        await store.check()


async def test_the_legal_states_are_the_same_in_the_schema_and_in_the_code(backend: Backend, store: Store) -> None:
    for (table, column), states in STATES.items():
        check = next(text for text in await backend.checks(table) if text.startswith(column))
        assert re.findall(r"'([^']+)'", check) == [state.value for state in states], (table, column)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {runs} SET status = 'odd'",
        "UPDATE {runs} SET status = 'finished'",
        "UPDATE {runs} SET owner = NULL",
        "UPDATE {runs} SET fence = 0",
        "INSERT INTO {events} (run_id, seq, timestamp_ms, type, payload) VALUES ('nope', 5, 0, 'x', '{}')",
        "INSERT INTO {requests} (run_id, kind, node_id, created_at_ms) VALUES ('run-1', 'decide', 'a', 0)",
        "INSERT INTO {requests} (run_id, kind, created_at_ms) VALUES ('run-1', 'cancel', 0), ('run-1', 'cancel', 0)",
        "INSERT INTO {waits} VALUES ('run-1', 'a', 0, 'approval', 'odd', '{}', NULL, 0, NULL, NULL)",
        "INSERT INTO {waits} VALUES ('run-1', 'a', 0, 'approval', 'ended', '{}', NULL, 0, NULL, 0)",
    ],
)
async def test_what_cannot_be_is_refused_by_the_database_itself(backend: Backend, store: Store, change: str) -> None:
    await store.commit(begin())
    with pytest.raises(Exception, match=r"(?i)constraint"):
        await backend.execute(change)


async def test_nodes_and_attempts_are_views_of_the_log(backend: Backend, store: Store) -> None:
    log = [
        ("NodePending", None, NodeState.PENDING, None),
        ("NodeStarted", 1, NodeState.IN_PROGRESS, AttemptState.IN_PROGRESS),
        ("NodeFailed", 1, NodeState.FAILED, AttemptState.FAILED),
        ("NodeRetrying", 2, NodeState.PENDING, None),
        ("NodeStarted", 2, NodeState.IN_PROGRESS, AttemptState.IN_PROGRESS),
        ("NodeOutput", 2, None, None),
        ("NodeFinished", 2, NodeState.FINISHED, AttemptState.FINISHED),
    ]
    told = [
        EventRow(seq, NOW_MS + seq, name, "a", "{}", 0, attempt, node_state, attempt_state)
        for seq, (name, attempt, node_state, attempt_state) in enumerate(log, 1)
    ]
    await store.commit(begin("run-1", *told))
    attempts = await backend.execute("SELECT node_id, iteration, attempt, state FROM {attempts} ORDER BY attempt")
    assert [tuple(row) for row in attempts] == [("a", 0, 1, "failed"), ("a", 0, 2, "finished")]
    nodes = await backend.execute("SELECT run_id, node_id, iteration, state FROM {nodes}")
    assert [tuple(row) for row in nodes] == [("run-1", "a", 0, "finished")]

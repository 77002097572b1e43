"""A fresh database of each kind for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from smithersd.store import Store, open_store
from tests.store.backends import Backend, PostgresBackend, SqliteBackend, postgres_database
from tests.store.postgres_server import PostgresServer, running_server

BACKENDS = ["sqlite", "postgres"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
async def postgres(postgres_server: PostgresServer) -> AsyncIterator[PostgresBackend]:
    async with postgres_database(postgres_server) as backend:
        yield backend


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    match request.param:
        case "sqlite":
            yield SqliteBackend(tmp_path / "state" / "runs.db")
        case "postgres":
            async with postgres_database(request.getfixturevalue("postgres_server")) as database:
                yield database
        case other:
            raise ValueError(other)


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Store]:
    async with open_store(backend.url) as opened:
        yield opened


@pytest.fixture
def every_run_is_what_its_log_says() -> None:
    """Rows that no engine wrote need not agree with one another."""

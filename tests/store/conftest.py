"""A fresh database of each kind for every test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from smithersd.store import Store, open_store
from tests.support.backends import Backend, PostgresBackend, SqliteBackend, postgres_database
from tests.support.postgres_server import PostgresServer, running_server

BACKENDS = ["sqlite", "postgres"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop and start."""
    with running_server() as server:
        yield server


@pytest.fixture
async def postgres(postgres_server: PostgresServer) -> AsyncIterator[PostgresBackend]:
    async with postgres_database(postgres_server) as backend:
        yield backend


@asynccontextmanager
async def empty(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Backend]:
    match kind:
        case "sqlite":
            yield SqliteBackend(folder / "runs.db")
        case "postgres":
            async with postgres_database(request.getfixturevalue("postgres_server")) as database:
                yield database
        case _:
            raise ValueError(kind)


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    async with empty(request.param, request, tmp_path / "state") as made:
        yield made


@pytest.fixture
async def other_backend(request: pytest.FixtureRequest, backend: Backend, tmp_path: Path) -> AsyncIterator[Backend]:
    """A second database of the same kind."""
    async with empty(backend.name, request, tmp_path / "other") as made:
        yield made


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Store]:
    async with open_store(backend.url) as opened:
        yield opened


@pytest.fixture
def every_run_is_what_its_log_says() -> None:
    """Rows that no engine wrote need not agree with one another."""

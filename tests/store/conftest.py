"""A fresh database of each kind for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from smithersd.store import Store, open_store
from tests.store.backends import Backend, SqliteBackend

BACKENDS = ["sqlite"]


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    match request.param:
        case "sqlite":
            yield SqliteBackend(tmp_path / "state" / "runs.db")
        case other:
            raise ValueError(other)


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Store]:
    async with open_store(backend.url) as opened:
        yield opened


@pytest.fixture
def every_run_is_what_its_log_says() -> None:
    """Rows that no engine wrote need not agree with one another."""

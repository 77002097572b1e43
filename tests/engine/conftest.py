"""A store in a folder of its own, and a second connection to it as another process would have."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from smithersd import Store, open_store
from smithersd.limits import LEASE_S
from tests.store.conftest import backend, postgres_server

__all__ = ["backend", "postgres_server"]


@pytest.fixture
async def store(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store, whose lease lasts as long as `no_renewal` says where a test has that mark."""
    async with open_store(tmp_path / "smithers.db", lease_s=getattr(request, "param", LEASE_S)) as store:
        yield store


@pytest.fixture
async def other_store(store: Store) -> AsyncIterator[Store]:
    """The same file, opened anew: what another process holds."""
    async with open_store(store.url) as other:
        yield other

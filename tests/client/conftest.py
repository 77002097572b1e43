"""A store of each kind, and an engine that drives the run of a test."""

from collections.abc import AsyncIterator

import pytest

from smithersd import Store, open_store
from tests.store.conftest import backend, postgres_server
from tests.support.backends import Backend

__all__ = ["backend", "postgres_server"]


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Store]:
    async with open_store(backend.url) as opened:
        yield opened

"""A run in a store keeps the promises of the port, on every backend."""

import pytest

from smithersd import Store
from smithersd.client import Run, StoredRun
from tests.client.conformance import RunPromises
from tests.support.runs import RUN_ID


class TestStoredRun(RunPromises):
    @pytest.fixture
    def run(self, store: Store) -> Run:
        return StoredRun(store, RUN_ID)

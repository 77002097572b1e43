"""What holds for every test: whatever runs it has made, their tables say what their logs say."""

from contextlib import suppress

import pytest

from smithersd import Store
from smithersd.errors import StoreUnavailable
from tests.invariants import check_store


@pytest.fixture(autouse=True)
def every_run_is_what_its_log_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check all runs of each store that a test closes in its own process.

    Folders whose rows no engine wrote put another fixture of this name in its place.
    """
    close = Store.close

    async def check_and_close(store: Store) -> None:
        try:
            with suppress(StoreUnavailable):  # a test may have broken it
                await check_store(store)
        finally:
            await close(store)

    monkeypatch.setattr(Store, "close", check_and_close)

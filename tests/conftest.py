"""What holds for every test: it does not matter who started it, and that its runs' tables say what their logs say."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

from smithersd import Store
from smithersd.errors import StoreUnavailable
from tests.support.invariants import check_store
from tests.support.starter import neutral_start

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""What depends on how much else a machine has to do is no fault of a property's."""
settings.register_profile("ci", settings.get_profile("dev"), database=None, print_blob=True)
"""Nothing is kept between runs of CI: a failure prints all that it takes to come again."""
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


@pytest.fixture(scope="session", autouse=True)
def started_by_anybody() -> Iterator[None]:
    """The suite is the same whoever starts it."""
    with neutral_start():
        yield


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

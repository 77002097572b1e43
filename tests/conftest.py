"""What holds for every test: the signals it starts with, and that its runs' tables say what their logs say."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

from smithersd import Store
from smithersd.errors import StoreUnavailable
from tests.invariants import check_store

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""What depends on how much else a machine has to do is no fault of a property's."""
settings.register_profile("ci", settings.get_profile("dev"), database=None, print_blob=True)
"""Nothing is kept between runs of CI: a failure prints all that it takes to come again."""
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


@pytest.fixture(scope="session", autouse=True)
def signals_are_as_in_a_terminal() -> Iterator[None]:
    """Take back what nohup, cron or a runner of CI ignores and blocks, which all that a test starts would inherit.

    SIGHUP goes on to end nothing here, but by a handler: that is at its default in whatever is started.
    """
    ignored = {number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN}
    ours = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: lambda *_: None}
    for number in ignored - {signal.SIGPIPE, signal.SIGXFSZ}:  # Python ignores them itself, and only here
        signal.signal(number, ours.get(number, signal.SIG_DFL))
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


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

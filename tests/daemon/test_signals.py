"""Signals as requests to the loop; handlers are put back."""

import asyncio
import os
import signal
from typing import Any

import pytest

from smithersd.daemon.signals import StopSignals


def _never(*_: Any) -> Any:
    pytest.fail("called without a reason")


def _signals(**calls: Any) -> StopSignals:
    given = {"on_first": _never, "on_second": _never, "on_hangup": _never, "exit_code": _never, "before_exit": _never}
    return StopSignals(**given | calls)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_is_told_to_the_loop(number: signal.Signals) -> None:
    told: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
    with _signals(on_first=told.set_result).installed():
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            assert await told is number


async def test_what_was_installed_before_is_put_back() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with _signals().installed():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before

"""Signals as requests to the loop; handlers are put back."""

import asyncio
import multiprocessing
import os
import signal
import time
from typing import Any

import pytest

from smithersd.daemon.signals import StopSignals
from tests.support.waiting import DEADLINE_S


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
        async with asyncio.timeout(DEADLINE_S):
            assert await told is number


async def test_what_was_installed_before_is_put_back() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with _signals().installed():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_a_forked_child_as_it_ends_any_other_process(number: signal.Signals) -> None:
    with _signals().installed():
        child = multiprocessing.get_context("fork").Process(target=_say_and_sleep, args=(pipe := os.pipe(),))
        child.start()
        try:
            assert os.read(pipe[0], 1) == b"."
            assert child.pid is not None
            os.kill(child.pid, number)
            await asyncio.to_thread(child.join, 10)
            assert child.exitcode == -number
        finally:
            child.kill()


def _say_and_sleep(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b".")
    time.sleep(60)


async def test_a_forked_child_leaves_alone_what_the_author_installed() -> None:
    with _signals().installed():
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = multiprocessing.get_context("fork").Process(target=_exit_with_what_sigterm_does)
        child.start()
        await asyncio.to_thread(child.join, 10)
        signal.signal(signal.SIGTERM, before)
    assert child.exitcode == 1


def _exit_with_what_sigterm_does() -> None:
    os._exit(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)

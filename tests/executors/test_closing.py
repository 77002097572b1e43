"""The end of executors: nothing left that could be ended, and nothing that could hang."""

import asyncio
import contextlib
import gc
import sys
import threading
from typing import Any

import psutil
import pytest

from smithersd.executors import Succeeded, executors
from tests.support.waiting import DEADLINE_S, until_async


async def test_close_ends_what_runs_without_a_word(open_bench):
    has_cleaned = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            has_cleaned.append(True)

    async with open_bench() as bench:
        records = [bench.function(work), bench.shell("echo $$; sleep 100")]
        await records[1].until(lambda r: "\n" in r.text())
        child = psutil.Process(int(records[1].text()))
        told = [list(record.told) for record in records]

    assert [record.told for record in records] == told
    assert has_cleaned
    assert not child.is_running()


async def test_close_does_not_hang_on_code_that_does_not_end(open_bench):
    may_end, is_begun = threading.Event(), threading.Event()

    async def stubborn():
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    def stubborn_thread():
        is_begun.set()
        may_end.wait()

    try:
        async with open_bench() as bench:
            records = [bench.function(stubborn), bench.function(stubborn_thread)]
            await until_async(is_begun.is_set)
        assert [record.told for record in records] == [[], []]
    finally:
        may_end.set()
    await until_async(lambda: len(asyncio.all_tasks()) == 1)


async def test_close_does_not_wait_again_for_what_was_left_behind(open_bench, monkeypatch):
    monkeypatch.setattr(executors, "CLOSE_WAIT_S", 3_600)
    may_end = asyncio.Event()

    async def stubborn():
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()

    async with open_bench() as bench:
        record = bench.function(stubborn)
        await asyncio.sleep(0)
        record.running.stop()
        await asyncio.sleep(0)
        record.running.abandon()
    may_end.set()
    await asyncio.sleep(0)


async def test_idle_threads_go_after_close(open_bench):
    before = set(threading.enumerate())  # threads of earlier tests among them, which may end meanwhile
    async with open_bench() as bench:
        barrier = threading.Barrier(5)
        for record in [bench.function(lambda: barrier.wait(DEADLINE_S) and None) for _ in range(5)]:
            await record.outcome()
        begun = set(threading.enumerate()) - before
        assert len(begun) == 5
    await until_async(lambda: not any(thread.is_alive() for thread in begun))


async def test_stop_and_abandon_after_the_end_do_nothing(bench):
    async def work():
        return 1

    records = [bench.function(work), bench.function(lambda: 1), bench.shell("printf 1"), bench.shell(("/no/such",))]
    for record in records:
        outcome = await record.outcome()
        record.running.stop()
        record.running.abandon()
        assert [outcome] == record.outcomes
    await asyncio.sleep(0)
    assert all(len(record.outcomes) == 1 for record in records)


@pytest.mark.parametrize("first", ["stop", "abandon"])
async def test_what_is_ended_right_after_its_start_never_begins_or_ends_once(bench, first):
    async def work():
        return 1

    async def later():
        return 2

    def returns_an_awaitable():
        return later()

    records = [
        bench.function(work),
        bench.function(lambda: 1),
        bench.function(returns_an_awaitable),
        bench.shell("sleep 100"),
        bench.shell(("/no/such",)),
    ]
    for record in records:
        getattr(record.running, first)()
    if first == "stop":
        for record in records:
            await record.outcome()
    after = bench.function(work)
    assert await after.outcome() == Succeeded("1")
    if first == "abandon":
        assert [record.told for record in records] == [[]] * 5


def test_a_loop_that_ends_amid_a_task_hears_nothing_more(open_bench):
    records = []

    async def work():
        await asyncio.Event().wait()

    async def main():
        async with open_bench() as bench:
            records.append(bench.function(work))
            await asyncio.sleep(0)
            bench.executors.close = lambda: asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.set_exception_handler(lambda *_: None)  # the loop's own complaint about the pending task
    loop.close()
    unraisable: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook

    assert records[0].told == []
    assert unraisable == []

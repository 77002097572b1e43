"""Plain functions: in threads of ours, told to end, left behind when they do not."""

import asyncio
import contextvars
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from smithersd.errors import InvalidOutput
from smithersd.executors import Failed, FunctionCall, Stopped, Succeeded, task_context
from tests.support.waiting import DEADLINE_S, until_async


def double(number):
    return number * 2


async def test_a_function_waits_while_no_thread_can_be_started(bench, caplog):
    usual = threading.stack_size(2**47)  # more than the system has addresses
    try:
        records = [bench.function(double, number) for number in range(3)]
    finally:
        threading.stack_size(usual)

    assert [await record.outcome() for record in records] == [Succeeded("0"), Succeeded("2"), Succeeded("4")]
    assert [line.getMessage() for line in caplog.records if line.levelname == "WARNING"] == [
        "A task waits because no thread can be started now: can't start new thread."
    ] * 3


async def test_a_plain_function_runs_in_a_daemon_thread(bench):
    threads = []

    def work():
        threads.append(threading.current_thread())
        return 1

    assert await bench.function(work).outcome() == Succeeded("1")
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon


async def test_threads_are_used_again(bench):
    threads = set()

    def work():
        threads.add(threading.current_thread())

    for _ in range(20):
        await bench.function(work).outcome()

    assert len(threads) < 10  # not 1: a thread may tell the outcome just before it counts itself as idle


async def test_there_are_as_many_threads_as_functions_that_run_at_once(bench):
    everybody = threading.Barrier(12)

    outcomes = [await r.outcome() for r in [bench.function(lambda: everybody.wait(DEADLINE_S) >= 0) for _ in range(12)]]

    assert outcomes == [Succeeded("true")] * 12


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(), ValueError()])
async def test_whatever_a_plain_function_raises_only_fails_its_attempt(bench, error):
    def fail():
        raise error

    assert (await bench.function(fail).outcome()).error.name == type(error).__name__
    assert await bench.function(double, 2).outcome() == Succeeded("4")


async def test_the_result_is_encoded_in_the_thread(bench):
    threads = []

    def encode(value):
        threads.append(threading.current_thread())
        return str(value)

    await bench.start(FunctionCall(double, (1,)), encode=encode).outcome()

    assert threads[0] is not threading.current_thread()


async def test_an_output_that_cannot_be_encoded_fails_with_its_code(bench):
    assert (await bench.function(object).outcome()).error.code == InvalidOutput.code


async def test_a_thread_is_told_to_end_and_ends_by_raising(bench):
    is_begun = threading.Event()

    def work():
        context = task_context()
        is_begun.set()
        while not context.cancelled:
            threading.Event().wait(0.001)
        raise InterruptedError

    record = bench.function(work)
    await until_async(is_begun.is_set)
    record.running.stop()

    assert await record.outcome() == Stopped()


async def test_work_that_a_thread_finished_after_it_was_told_is_kept(bench):
    is_begun, may_end = threading.Event(), threading.Event()

    def work():
        is_begun.set()
        assert may_end.wait(DEADLINE_S)
        return "done"

    record = bench.function(work)
    await until_async(is_begun.is_set)
    record.running.stop()
    may_end.set()

    assert await record.outcome() == Succeeded('"done"')


async def test_a_thread_that_does_not_end_is_left_behind_and_its_late_result_is_dropped(bench, caplog):
    is_begun, may_end = threading.Event(), threading.Event()

    def work():
        is_begun.set()
        assert may_end.wait(DEADLINE_S)
        task_context().progress(1)
        task_context().heartbeat(1)
        return "too late"

    record = bench.function(work)
    await until_async(is_begun.is_set)
    record.running.stop()
    with caplog.at_level(logging.WARNING):
        record.running.abandon()
        may_end.set()
        await until_async(lambda: "came too late" in caplog.text)

    assert "attempt 1 of 'node-1' does not end, so it is abandoned" in caplog.text
    assert record.told == []


async def test_an_awaitable_from_a_plain_function_is_awaited_in_the_loop(bench):
    threads = []

    async def work(number):
        await asyncio.sleep(0)
        threads.append(threading.current_thread())
        return number, task_context().node_id

    assert await bench.function(lambda: work(5)).outcome() == Succeeded('[5,"node-1"]')
    assert threads == [threading.current_thread()]


async def test_the_awaitable_sees_context_variables_that_the_function_set(bench):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def rest():
        return variable.get()

    def work():
        variable.set("from the thread")
        return rest()

    assert await bench.function(work).outcome() == Succeeded('"from the thread"')


async def test_stop_cancels_the_awaitable_that_a_plain_function_returned(bench):
    is_awaiting = asyncio.Event()

    async def rest():
        is_awaiting.set()
        await asyncio.Event().wait()

    def work():
        return rest()

    record = bench.function(work)
    await is_awaiting.wait()
    record.running.stop()

    assert await record.outcome() == Stopped()


async def test_an_awaitable_that_comes_after_the_stop_is_never_begun(bench):
    is_begun, may_end = threading.Event(), threading.Event()
    has_run = []

    async def rest():
        has_run.append(True)

    def work():
        is_begun.set()
        assert may_end.wait(DEADLINE_S)
        return rest()

    record = bench.function(work)
    await until_async(is_begun.is_set)
    record.running.stop()
    may_end.set()

    assert await record.outcome() == Stopped()
    assert not has_run


async def test_an_awaitable_that_fails_fails_the_attempt(bench):
    async def rest():
        raise ValueError("in the loop")

    def work():
        return rest()

    assert (await bench.function(work).outcome()).error.message.startswith("in the loop (")


async def test_context_variables_of_the_engine_are_there(open_bench):
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("engine")
    async with open_bench() as bench:
        assert await bench.function(variable.get).outcome() == Succeeded('"engine"')


async def test_a_thousand_quick_attempts_each_end_once(bench):
    records = [bench.function(double, number) for number in range(1_000)]

    outcomes = [await record.outcome() for record in records]

    assert outcomes == [Succeeded(str(2 * number)) for number in range(1_000)]


async def test_a_cancelled_error_of_a_plain_function_is_a_failure(bench):
    def work():
        raise asyncio.CancelledError

    assert isinstance(await bench.function(work).outcome(), Failed)


def test_a_thread_that_never_ends_does_not_hold_up_the_end_of_the_process():
    program = """
import asyncio, threading
from smithersd.executors import *
class Sink:
    def ended(self, outcome): pass
async def main():
    executors = Executors(captures_output=True)
    is_begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    def work():
        loop.call_soon_threadsafe(is_begun.set)
        while True:
            threading.Event().wait(0.01)
            task_context().progress(1)
    executors.start(Call(AttemptInfo("r", "n", 0, 1, None), FunctionCall(work, ()), str), Sink())
    await is_begun.wait()
    await executors.close()
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], timeout=DEADLINE_S, check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("is_raising", [False, True])
async def test_a_forked_child_ends_with_the_function_that_forked_it(bench, is_raising):
    parent = os.getpid()

    def work():
        child = os.fork()
        if is_raising and os.getpid() != parent:
            raise ValueError
        return child

    child = int((await bench.function(work).outcome()).output)
    ended: list[int] = []

    def has_ended():
        ended[:] = os.waitpid(child, os.WNOHANG)
        return ended[0] == child

    try:
        await until_async(has_ended)
    finally:
        if not ended or ended[0] == 0:
            os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    assert await bench.function(double, 2).outcome() == Succeeded("4")

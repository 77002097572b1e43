"""Async functions: every way that they can end, and that none of them takes the loop along."""

import asyncio
import contextvars
import functools
import gc
import logging
import re
import sys
import threading
import weakref

import pytest

from smithersd.errors import InvalidOutput
from smithersd.executors import Failed, FunctionCall, Stopped, Succeeded
from tests.support.waiting import DEADLINE_S, until_async


async def double(number):
    return number * 2


async def wait_for_ever():
    await asyncio.Event().wait()


async def test_an_async_function_succeeds_with_its_result_as_json(bench):
    assert await bench.function(double, 21).outcome() == Succeeded("42")


async def test_what_an_author_raises_is_the_error(bench):
    async def fail():
        raise ValueError("no such thing")

    outcome = await bench.function(fail).outcome()

    assert (outcome.error.code, outcome.error.name) == ("TASK_FAILED", "ValueError")
    assert re.fullmatch(
        r"no such thing \(tests/executors/test_coroutine_attempts.py:\d+ in fail\)", outcome.error.message
    )


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("base")])
async def test_an_exception_that_would_end_a_loop_only_fails_the_attempt(bench, error):
    async def leave():
        await asyncio.sleep(0)
        raise error

    outcome = await bench.function(leave).outcome()

    assert outcome.error.name == type(error).__name__
    assert await bench.function(double, 1).outcome() == Succeeded("2")


async def test_sys_exit_says_which_code(bench):
    async def leave():
        sys.exit(7)

    assert "sys.exit(7)" in (await bench.function(leave).outcome()).error.message


async def test_arguments_that_do_not_fit_fail_the_attempt_and_not_its_start(bench):
    assert (await bench.function(double, 1, 2).outcome()).error.name == "TypeError"


async def test_an_output_that_cannot_be_encoded_fails_with_its_code(bench):
    async def odd():
        return object()

    assert (await bench.function(odd).outcome()).error.code == InvalidOutput.code


async def test_stop_cancels_and_ends_as_stopped(bench):
    is_begun = asyncio.Event()

    async def work():
        is_begun.set()
        await wait_for_ever()

    record = bench.function(work)
    await is_begun.wait()
    record.running.stop()
    record.running.stop()

    assert await record.outcome() == Stopped()


async def test_stop_before_the_first_step_runs_nothing(bench):
    has_run = []

    async def work():
        has_run.append(True)

    record = bench.function(work)
    record.running.stop()

    assert await record.outcome() == Stopped()
    assert not has_run


async def test_a_second_stop_does_not_cancel_the_cleanup(bench):
    is_begun, is_cleaning, may_go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    has_cleaned = []

    async def work():
        is_begun.set()
        try:
            await wait_for_ever()
        finally:
            is_cleaning.set()
            await may_go_on.wait()
            has_cleaned.append(True)

    record = bench.function(work)
    await is_begun.wait()
    record.running.stop()
    await is_cleaning.wait()
    record.running.stop()
    may_go_on.set()

    assert await record.outcome() == Stopped()
    assert has_cleaned


async def test_a_result_that_came_in_spite_of_the_stop_is_kept(bench):
    is_begun = asyncio.Event()

    async def work():
        is_begun.set()
        try:
            await wait_for_ever()
        except asyncio.CancelledError:
            return "saved"

    record = bench.function(work)
    await is_begun.wait()
    record.running.stop()

    assert await record.outcome() == Succeeded('"saved"')


async def test_a_cleanup_that_raises_after_the_stop_counts_as_stopped(bench):
    is_begun = asyncio.Event()

    async def work():
        is_begun.set()
        try:
            await wait_for_ever()
        finally:
            raise OSError("the connection was gone")

    record = bench.function(work)
    await is_begun.wait()
    record.running.stop()

    assert await record.outcome() == Stopped()


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_that_says_so(bench):
    async def work():
        task = asyncio.ensure_future(wait_for_ever())
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    outcome = await bench.function(work).outcome()

    assert outcome.error.name == "CancelledError"
    assert "cancelled by its own code" in outcome.error.message


async def test_a_task_that_cancels_itself_fails(bench):
    async def work():
        running = asyncio.current_task()
        assert running is not None
        running.cancel()
        await asyncio.sleep(0)

    assert isinstance(await bench.function(work).outcome(), Failed)


async def test_a_swallowed_cancellation_goes_on_until_it_is_abandoned_and_then_tells_nothing(bench, caplog):
    swallowed, may_end, has_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work():
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                swallowed.set()
        has_ended.set()
        return "too late"

    record = bench.function(work)
    await asyncio.sleep(0)
    record.running.stop()
    await swallowed.wait()
    assert record.told == []
    with caplog.at_level(logging.WARNING):
        record.running.abandon()
        may_end.set()
        await has_ended.wait()
        await asyncio.sleep(0)

    assert record.told == []
    assert "attempt 1 of 'node-1' does not end, so it is abandoned" in caplog.text
    assert "The result of attempt 1 of 'node-1' came too late" in caplog.text


class Callable:
    async def __call__(self, number):
        return number + 1


class WithMethod:
    async def method(self, number):
        return number + 1


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(double, 4),
        functools.partial(functools.partial(double), number=4),
        functools.partial(Callable(), 7),
        functools.partial(WithMethod().method, 7),
    ],
)
async def test_partials_callables_and_methods_of_async_functions_run_in_the_loop(bench, function):
    threads = []

    async def spy():
        threads.append(threading.current_thread())
        return await function()

    assert await bench.function(functools.partial(function)).outcome() == Succeeded("8")
    assert await bench.function(spy).outcome() == Succeeded("8")
    assert threads == [threading.current_thread()]


async def test_a_large_result_is_encoded_in_a_thread_and_a_small_one_in_the_loop(bench):
    threads = []

    def encode(value):
        threads.append(threading.current_thread())
        return str(len(value))

    async def make(size):
        return ["x"] * size

    small = bench.start(FunctionCall(make, (3,)), encode=encode)
    assert await small.outcome() == Succeeded("3")
    large = bench.start(FunctionCall(make, (100_000,)), encode=encode)
    assert await large.outcome() == Succeeded("100000")

    assert threads[0] is threading.current_thread()
    assert threads[1] is not threading.current_thread()


async def test_a_large_result_is_kept_when_the_stop_comes_while_it_is_encoded(bench):
    is_encoding, may_go_on = threading.Event(), threading.Event()

    def encode(value):
        is_encoding.set()
        assert may_go_on.wait(DEADLINE_S)
        return str(len(value))

    async def make():
        return ["x"] * 100_000

    record = bench.start(FunctionCall(make, ()), encode=encode)
    await until_async(is_encoding.is_set)
    record.running.stop()
    may_go_on.set()

    assert await record.outcome() == Succeeded("100000")


async def test_an_error_in_the_thread_that_encodes_fails_the_attempt(bench):
    def encode(value):
        raise StopIteration(len(value))

    async def make():
        return ["x"] * 100_000

    assert isinstance(await bench.start(FunctionCall(make, ()), encode=encode).outcome(), Failed)


async def test_a_context_variable_of_one_task_reaches_no_other(bench):
    variable = contextvars.ContextVar("variable", default="unset")

    async def set_it():
        variable.set("set")

    async def get_it():
        return variable.get()

    started = asyncio.get_running_loop().create_future()

    def start_another(_outcome):
        started.set_result((bench.function(get_it), variable.get()))

    first = bench.function(set_it)
    first.ended = start_another
    record, seen = await started

    assert await record.outcome() == Succeeded('"unset"')
    assert seen == "unset"


async def test_an_eager_task_factory_tells_nothing_before_start_has_returned(bench):
    loop = asyncio.get_running_loop()

    def factory(loop, coroutine, **options):
        raise AssertionError("a task factory must not be asked")

    loop.set_task_factory(factory)
    try:
        record = bench.function(double, 3)
    finally:
        loop.set_task_factory(None)

    assert await record.outcome() == Succeeded("6")


async def test_an_error_that_cannot_describe_itself_is_described(bench):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    async def fail():
        raise Mute

    error = (await bench.function(fail).outcome()).error
    assert error.name == "Mute"
    assert error.message.startswith("(its message could not be read) (tests/executors/test_coroutine_attempts.py:")


async def test_an_error_message_that_utf8_cannot_hold_is_made_to_fit(bench):
    async def fail():
        raise ValueError("file \udcff")

    (await bench.function(fail).outcome()).error.message.encode()


async def test_the_log_has_the_traceback_of_a_failure(bench, caplog):
    async def fail_here():
        raise ValueError("no such thing")

    with caplog.at_level(logging.INFO):
        await bench.function(fail_here).outcome()

    assert "attempt 1 of 'node-1' raised ValueError" in caplog.text
    assert "in fail_here" in caplog.text


async def test_nothing_of_a_task_is_kept_after_its_end(bench):
    class Witness:
        pass

    async def work(witness):
        raise ValueError(witness)

    witness = Witness()
    reference = weakref.ref(witness)
    record = bench.function(work, witness)
    await record.outcome()
    del witness, record
    await asyncio.sleep(0)
    gc.collect()

    assert reference() is None


async def test_a_thousand_quick_attempts_each_end_once(bench):
    records = [bench.function(double, number) for number in range(1_000)]

    outcomes = [await record.outcome() for record in records]

    assert outcomes == [Succeeded(str(2 * number)) for number in range(1_000)]

"""Which errors are retried: the author says it by classes, exit codes or a function, or by what a task raises."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from smithersd import (
    InvalidOutput,
    Parallel,
    Permanent,
    RetryAfter,
    Shell,
    ShellFailed,
    Store,
    Task,
    TaskTimeout,
    Workflow,
    workflow,
)
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.elements import TaskOptions
from smithersd.engine import JumpingClock
from smithersd.errors import WorkflowError
from tests.support.clocks import StillClock
from tests.support.runs import crash_when, driven, events_of, log, node, run
from tests.support.waiting import until_async


class Declined(Permanent):
    """A subclass of an author's own, with a constructor of its own."""

    def __init__(self, card: str, limit: int) -> None:
        self.card, self.limit = card, limit


class RateLimited(RetryAfter):
    """One that never says when."""

    def __init__(self) -> None:
        Exception.__init__(self, "slow down")


def fails_with(error: Callable[[], BaseException], **options: Any) -> Workflow[Any]:
    """A workflow whose only task fails at each of its three attempts."""

    async def work() -> None:
        raise error()

    return Workflow(lambda _: Task("a", work, **{"retries": 2, **options}), name="failing")


async def attempts_of(flow: Workflow[Any], store: Store) -> int:
    state = await run(flow, store, clock=JumpingClock())
    assert state.status is RunStatus.FAILED
    failures = await events_of(store, events.NodeFailed)
    assert [one.is_final for one in failures] == [False] * (len(failures) - 1) + [True]
    return len(failures)


def group(*errors: BaseException) -> BaseException:
    return BaseExceptionGroup("several", errors)


def is_transient(error: BaseException) -> bool:
    return "transient" in str(error)


@pytest.mark.parametrize(
    ("error", "options", "expected"),
    [
        (lambda: ValueError("no"), {}, 3),
        (lambda: ConnectionResetError("no"), {"retry_on": ConnectionError}, 3),
        (lambda: ValueError("no"), {"retry_on": ConnectionError}, 1),
        (lambda: ValueError("no"), {"retry_on": (ConnectionError, ValueError)}, 3),
        (lambda: ValueError("no"), {"retry_on": ()}, 1),
        (lambda: ValueError("transient"), {"retry_on": is_transient}, 3),
        (lambda: ValueError("lasting"), {"retry_on": is_transient}, 1),
        (lambda: SystemExit(3), {}, 1),
        (lambda: SystemExit(3), {"retry_on": BaseException}, 3),
        (KeyboardInterrupt, {"retry_on": (Exception, KeyboardInterrupt)}, 3),
        (asyncio.CancelledError, {}, 1),
        (asyncio.CancelledError, {"retry_on": asyncio.CancelledError}, 3),
        (lambda: Permanent("card declined"), {}, 1),
        (lambda: Permanent("card declined"), {"retry_on": Permanent}, 1),
        (lambda: Permanent("card declined"), {"retry_on": lambda _: True}, 1),
        (lambda: Declined("visa", 3), {"retry_on": BaseException}, 1),
        (lambda: RetryAfter("1h"), {"retry_on": ConnectionError}, 3),
        (lambda: RetryAfter("1h"), {"retry_on": lambda _: False}, 3),
        (RateLimited, {}, 3),
        (lambda: group(ConnectionError("a"), TimeoutError("b")), {"retry_on": OSError}, 3),
        (lambda: group(ConnectionError("a"), ValueError("b")), {"retry_on": OSError}, 1),
        (lambda: group(ConnectionError("a"), group(Permanent("b"))), {}, 1),
        (lambda: group(ConnectionError("a"), Permanent("b")), {"retry_on": ExceptionGroup}, 1),
        (lambda: group(ConnectionError("a"), ValueError("b")), {"retry_on": ExceptionGroup}, 3),
        (lambda: group(ValueError("transient"), ValueError("transient")), {"retry_on": is_transient}, 3),
        (lambda: group(ValueError("transient"), ValueError("lasting")), {"retry_on": is_transient}, 1),
        (lambda: group(ValueError("a"), KeyboardInterrupt()), {}, 1),
        (lambda: WorkflowError("one of ours"), {}, 3),
    ],
)
async def test_an_error_is_retried_where_the_author_says_so(
    store: Store, error: Any, options: Any, expected: int
) -> None:
    assert await attempts_of(fails_with(error, **options), store) == expected


async def test_an_error_of_a_thread_is_judged_like_any_other(store: Store) -> None:
    def work() -> None:
        raise Permanent("card declined")

    flow: Workflow[Any] = Workflow(lambda _: Task("a", work, retries=2), name="failing")
    assert await attempts_of(flow, store) == 1
    assert (await node(store, "a")).error is not None


async def test_a_permanent_error_says_what_it_is_and_what_led_to_it(store: Store) -> None:
    async def work() -> None:
        raise Permanent("card declined") from OSError("code 51")

    await run(Workflow(lambda _: Task("a", work, retries=2), name="pay"), store)
    error = (await node(store, "a")).error
    assert error is not None
    assert (error.code, error.name) == ("TASK_FAILED", "Permanent")
    assert error.message.startswith("card declined (")
    assert "caused by OSError: code 51" in error.message


# Outputs that were refused


def refused() -> Any:
    return {1: "the key is no text"}


@pytest.mark.parametrize(
    ("retry_on", "expected"),
    [
        (Exception, 1),
        (BaseException, 1),
        ((Exception, InvalidOutput), 3),
        (InvalidOutput, 3),
        (lambda error: isinstance(error, InvalidOutput), 3),
        (lambda _: False, 1),
    ],
)
async def test_a_refused_output_is_made_again_only_where_that_is_asked_for(
    store: Store, retry_on: Any, expected: int
) -> None:
    flow: Workflow[Any] = Workflow(lambda _: Task("a", refused, retries=2, retry_on=retry_on), name="refused")
    assert await attempts_of(flow, store) == expected


# Timeouts and commands


@pytest.mark.parametrize(("retry_on", "expected"), [(Exception, 2), (TaskTimeout, 2), (ValueError, 1)])
async def test_a_timeout_is_an_error_like_others(store: Store, retry_on: Any, expected: int) -> None:
    async def work() -> None:
        await asyncio.sleep(60)

    flow: Workflow[Any] = Workflow(
        lambda _: Task("a", work, retries=1, retry_on=retry_on, timeout="20ms", retry_delay=0), name="slow"
    )
    assert await attempts_of(flow, store) == expected


@pytest.mark.parametrize(
    ("command", "retry_on", "expected"),
    [
        ("exit 7", Exception, 2),
        ("exit 7", 7, 2),
        ("exit 7", (6, 28), 1),
        ("exit 7", (TaskTimeout, 7), 2),
        ("exit 7", ShellFailed, 2),
        ("exit 7", TaskTimeout, 1),
        ("exit 7", lambda error: error.exit_code == 7, 2),
        ("kill -KILL $$", 137, 2),
        ("kill -KILL $$", 9, 1),
    ],
)
async def test_a_command_is_retried_by_its_exit_code(store: Store, command: str, retry_on: Any, expected: int) -> None:
    flow: Workflow[Any] = Workflow(
        lambda _: Shell("a", command, retries=1, retry_on=retry_on, retry_delay=0), name="command"
    )
    assert await attempts_of(flow, store) == expected


async def test_a_command_that_cannot_be_started_has_no_exit_code(store: Store) -> None:
    asked: list[Any] = []

    def note(error: BaseException) -> bool:
        asked.append(error)
        return False

    flow: Workflow[Any] = Workflow(lambda _: Shell("a", ["/no/such"], retries=1, retry_on=note), name="command")
    assert await attempts_of(flow, store) == 1
    (error,) = asked
    assert isinstance(error, ShellFailed)
    assert error.exit_code is None


# What an author may say


def test_the_rule_of_a_node_is_refused_when_the_tree_is_made() -> None:
    async def later(_: BaseException) -> bool:
        return True

    wrong: list[Any] = [int, "ValueError", [ValueError], (ValueError, "x"), None, later, True, 7, (ValueError, 7)]
    for retry_on in wrong:
        with pytest.raises(WorkflowError, match="retry_on of task 'a'"):
            Task("a", print, retries=1, retry_on=retry_on)
    for retry_on in (0, 256, -9, True):
        with pytest.raises(WorkflowError, match="retry_on of shell 'a'"):
            Shell("a", "true", retries=1, retry_on=retry_on)
    with pytest.raises(WorkflowError, match="is 'soon', which is not a duration"):
        RetryAfter("soon")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: "yes", "retry_on returned 'yes', which is not a bool, when it was asked about ValueError: no"),
        (lambda _: None, "retry_on returned None"),
        (lambda error: error.response.status, "retry_on raised AttributeError: "),
        (lambda _: sys.exit(3), "retry_on raised SystemExit: 3"),
    ],
)
async def test_a_rule_that_cannot_say_fails_the_node_with_its_own_error(store: Store, answer: Any, said: str) -> None:
    assert await attempts_of(fails_with(lambda: ValueError("no"), retry_on=answer), store) == 1
    error = (await node(store, "a")).error
    assert error is not None
    assert error.code == "WORKFLOW_ERROR"
    assert said in error.message
    assert "ValueError: no" in error.message


async def test_a_rule_is_not_asked_where_there_are_no_retries(store: Store) -> None:
    assert (
        await attempts_of(fails_with(lambda: ValueError("no"), retries=0, retry_on=lambda _: sys.exit(3)), store) == 1
    )
    error = (await node(store, "a")).error
    assert error is not None
    assert error.name == "ValueError"


# Delays that an error asks for


async def delays_ms(store: Store) -> list[int]:
    told = await log(store)
    return [one.event.retry_at_ms - one.timestamp_ms for one in told if isinstance(one.event, events.NodeRetrying)]


def waits_as_told(*delays: str | int, **options: Any) -> tuple[Workflow[Any], list[int]]:
    calls: list[int] = []

    async def work() -> str:
        calls.append(len(calls))
        if len(calls) <= len(delays):
            raise RetryAfter(delays[len(calls) - 1])
        return "done"

    chosen: TaskOptions = {"retries": 3, "retry_delay": 1, "max_delay": 2, "jitter": 1, **options}  # type: ignore[typeddict-item]
    return Workflow(lambda _: Task("a", work, **chosen), name="told"), calls


async def test_an_error_sets_the_delay_whatever_the_options_say(store: Store) -> None:
    flow, _ = waits_as_told("30s", 7200, "0s")
    assert (await run(flow, store, clock=JumpingClock())).status is RunStatus.FINISHED
    assert await delays_ms(store) == [30_000, 7_200_000, 0]


async def test_of_a_group_the_longest_delay_counts(store: Store) -> None:
    flow = fails_with(lambda: group(RetryAfter("1m"), ValueError("no"), group(RetryAfter("5m"))), retries=1)
    assert await attempts_of(flow, store) == 2
    assert await delays_ms(store) == [300_000]


async def test_a_delay_that_was_asked_for_is_neither_shorter_nor_longer_after_a_crash(store: Store) -> None:
    clock = StillClock()
    flow, calls = waits_as_told("30m")
    await crash_when(flow, store, lambda engine: engine.state.nodes["a", 0].retry_at_ms is not None, clock=clock)
    due_ms = clock.now_ms() + 1_800_000
    clock.pass_ms(600_000)
    async with driven(flow, store, clock=clock) as (engine, driving):
        await until_async(lambda: clock.next_due_ms == due_ms)
        assert engine.state.nodes["a", 0].failures == 1
        clock.pass_ms(1_200_000)
        assert await driving is RunStatus.FINISHED
    assert len(calls) == 2
    assert [one.attempt for one in await events_of(store, events.NodeStarted)] == [1, 2]


async def test_a_delay_that_was_asked_for_survives_an_edit_of_the_node(store: Store) -> None:
    clock = StillClock()
    flow, _ = waits_as_told("30m")
    await crash_when(flow, store, lambda engine: engine.state.nodes["a", 0].retry_at_ms is not None, clock=clock)
    due_ms = clock.now_ms() + 1_800_000
    edited, calls = waits_as_told(retry_delay=0, retries=1)
    async with driven(edited, store, clock=clock) as (engine, driving):
        await until_async(lambda: clock.next_due_ms == due_ms)
        assert [wait.due_at_ms for wait in engine.state.waiting] == [due_ms]
        clock.pass_ms(1_800_000)
        assert await driving is RunStatus.FINISHED
    assert calls == [0]


# For good


async def test_a_node_that_the_flow_absorbs_has_failed_for_good(store: Store) -> None:
    def work() -> None:
        raise Permanent("card declined")

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", work, retries=5, continue_on_fail=True)

    assert (await run(flow, store)).status is RunStatus.FINISHED
    (failed,) = await events_of(store, events.NodeFailed)
    assert failed.is_final
    assert (await node(store, "a")).state is NodeState.FAILED


async def test_an_attempt_that_fails_while_the_run_ends_has_failed_for_good(store: Store) -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    async def fails() -> None:
        await begun.wait()
        raise ValueError("no")

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Task("slow", slow, retries=2), Task("fails", fails))

    assert (await run(flow, store)).status is RunStatus.FAILED
    failures = await events_of(store, events.NodeFailed)
    assert [one.is_final for one in failures] == [True]

"""An attempt that takes too long is ended, whatever it runs in, and has failed."""

import asyncio
import threading
from typing import Any

import pytest

from smithersd import Shell, Store, Task, task_context, workflow
from smithersd.core.log.states import RunStatus
from tests.support.runs import node, run
from tests.support.waiting import DEADLINE_S, until_async


async def test_an_async_task_is_cancelled_at_its_timeout(store: Store) -> None:
    ended: list[str] = []

    async def sleeps() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", sleeps, timeout="50ms")

    await _times_out(store, flow)
    assert ended == ["cancelled"]


async def test_a_shell_is_ended_at_its_timeout(store: Store, tmp_path: Any) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Shell("a", "trap 'touch ended; exit 1' TERM; sleep 60 & wait", cwd=str(tmp_path), timeout=0.2)

    await _times_out(store, flow)
    assert (tmp_path / "ended").exists()


async def test_a_thread_is_told_at_its_timeout(store: Store) -> None:
    told = threading.Event()

    def works() -> None:
        while not task_context().cancelled:
            threading.Event().wait(0.01)
        told.set()
        raise InterruptedError

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", works, timeout=0.05)

    await _times_out(store, flow)
    assert told.is_set()


async def test_a_thread_that_does_not_end_is_left_behind_and_its_late_result_is_dropped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smithersd.engine.attempts.live_attempt.STOP_GRACE_S", 0.05)
    release = threading.Event()
    returned = threading.Event()

    def stubborn() -> str:
        release.wait(DEADLINE_S)
        returned.set()
        return "late"

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", stubborn, timeout=0.05)

    await _times_out(store, flow)
    release.set()
    await until_async(returned.is_set)
    assert await store.outputs("r") == []


async def test_a_timed_out_attempt_is_retried(store: Store) -> None:
    calls: list[int] = []

    async def slow_once() -> str:
        calls.append(1)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return "done"

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", slow_once, timeout=0.05, retries=1, retry_delay=0)

    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert len(calls) == 2


async def _times_out(store: Store, flow: Any) -> None:
    state = await run(flow, store)
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert state.error.code == "TASK_TIMEOUT"
    (attempt,) = (await node(store, "a")).attempts
    assert attempt.error is not None
    assert "timeout of" in attempt.error.message

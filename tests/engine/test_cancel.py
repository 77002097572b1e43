"""A cancel reaches everything that runs, from wherever it comes, and nothing accepted is lost."""

import asyncio
import threading
from typing import Any

import pytest

from smithersd import Approval, Parallel, Shell, Store, Task, run_workflow, task_context, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus, WaitKind, WaitStatus
from smithersd.engine import request_cancel
from smithersd.errors import RunNotActive
from tests.support.runs import crash_when, decide, driven, events_of, no_renewal, node, run, story, until_state
from tests.support.waiting import DEADLINE_S, until_async


async def test_a_cancel_reaches_coroutines_shells_and_threads(store: Store, tmp_path: Any) -> None:
    ended: list[str] = []
    in_thread = threading.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("coroutine")

    def works() -> None:
        in_thread.set()
        while not task_context().cancelled:
            threading.Event().wait(0.005)
        ended.append("thread")
        raise InterruptedError

    command = "trap 'touch ended; exit 1' TERM; touch begun; sleep 60 & wait"

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(
            Task("coroutine", waits),
            Task("thread", works),
            Shell("shell", command, cwd=str(tmp_path)),
            Approval("approval"),
        )

    async with driven(flow, store) as (engine, driving):
        await until_async(lambda: (tmp_path / "begun").exists() and in_thread.is_set())
        engine.request_cancel()
        assert await driving is RunStatus.CANCELLED
    assert sorted(ended) == ["coroutine", "thread"]
    assert (tmp_path / "ended").exists()
    cancelled = await events_of(store, events.NodeCancelled)
    assert {(one.node_id, one.reason.value) for one in cancelled} == {
        (node_id, "aborted") for node_id in ("coroutine", "thread", "shell", "approval")
    }
    assert [approval.status for approval in await store.waits("r", WaitKind.APPROVAL)] == [WaitStatus.CANCELLED]
    assert (await story(store))[-1] == "RunCancelled"


@no_renewal
async def test_a_cancel_from_another_process_ends_the_run(store: Store, other_store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Task("a", asyncio.Event().wait)

    async with driven(flow, store) as (_, driving):
        await until_state(other_store, lambda state: ("a", 0) in state.nodes)
        await request_cancel(other_store, "r")
        async with asyncio.timeout(DEADLINE_S):
            assert await driving is RunStatus.CANCELLED


async def test_a_run_that_nobody_drives_is_ended_by_the_cancel_itself(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Approval("approval"), Approval("other"), Task("a", asyncio.Event().wait))

    await crash_when(flow, store, lambda engine: bool(engine.live_keys))
    await decide(store, "approval", by="ann")
    await request_cancel(store, "r", by="bob")
    row = await store.run("r")
    assert (row.status, row.owner) == (RunStatus.CANCELLED, None)
    approval = (await node(store, "approval")).approval
    assert approval is not None
    assert approval.decision is not None
    assert approval.decision.decided_by == "ann", "the decision was accepted, so it stands in the log"
    assert (await node(store, "a")).attempts[0].state == "cancelled"
    with pytest.raises(RunNotActive):
        await request_cancel(store, "r")


async def test_a_cancel_that_was_accepted_survives_a_crash(store: Store) -> None:
    """The request is durable, and its driver is dead."""

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", asyncio.Event().wait)

    await crash_when(flow, store, lambda engine: bool(engine.live_keys))
    await store.submit_cancel("r", created_at_ms=1)
    assert (await run(flow, store)).status is RunStatus.CANCELLED


async def test_setting_abort_cancels_the_run(store: Store) -> None:
    abort = asyncio.Event()

    async def aborts() -> None:
        abort.set()
        await asyncio.Event().wait()

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", aborts)

    result = await run_workflow(flow, store=store, run_id="r", abort=abort)
    assert result.status is RunStatus.CANCELLED
    assert (await node(store, "a")).state is NodeState.CANCELLED

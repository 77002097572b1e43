"""A node that fails for good ends the run, unless something absorbs it."""

import asyncio
from typing import Any

from smithersd import Approval, Parallel, Sequence, Store, Task, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus, WaitKind, WaitStatus
from tests.support.runs import events_of, node, run


async def fails() -> None:
    raise ValueError("broken")


async def test_a_failure_cancels_what_runs_closes_what_waits_and_leaves_the_rest_pending(store: Store) -> None:
    busy = asyncio.Event()

    async def works() -> None:
        busy.set()
        await asyncio.Event().wait()

    async def fails_later() -> None:
        await busy.wait()
        raise ValueError("broken")

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Parallel(Task("a", works), Task("b", fails_later), Approval("approval")), Task("after", fails))

    state = await run(flow, store)
    assert state.status is RunStatus.FAILED
    states = {node_id: one.state for (node_id, _), one in state.nodes.items()}
    assert states == {
        "a": NodeState.CANCELLED,
        "b": NodeState.FAILED,
        "approval": NodeState.CANCELLED,
        "after": NodeState.PENDING,
    }
    assert {one.reason.value for one in await events_of(store, events.NodeCancelled)} == {"run-failed"}
    assert [approval.status for approval in await store.waits("r", WaitKind.APPROVAL)] == [WaitStatus.CANCELLED]


async def test_continue_on_fail_absorbs_and_dependents_receive_none(store: Store) -> None:
    async def receives(value: object) -> str:
        return f"got {value}"

    @workflow
    def flow(_: Any) -> Any:
        bad = Task("bad", fails, continue_on_fail=True)
        return Sequence(bad, Task("next", receives, bad))

    state = await run(flow, store)
    assert state.status is RunStatus.FINISHED
    assert await store.output("r", "next", 0) == '"got None"'
    assert (await node(store, "bad")).state is NodeState.FAILED


async def test_a_result_that_does_not_fit_its_type_fails_the_attempt_and_never_reaches_the_store(store: Store) -> None:
    async def lies() -> int:
        return "seven"  # type: ignore[return-value] # a lie

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", lies)

    state = await run(flow, store)
    assert state.error is not None
    assert state.error.code == "INVALID_OUTPUT"
    assert await store.outputs("r") == []

"""Approvals: asked as soon as the flow reaches them, answered by anybody, at once."""

import asyncio
from typing import Any

import pytest

from smithersd import Approval, Parallel, Sequence, Store, Task, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.engine import RunOptions
from tests.support.runs import decide, driven, events_of, no_renewal, node, story, until_state
from tests.support.waiting import DEADLINE_S, until_async


def waiting(state: Any) -> set[str]:
    return {node.node_id for node in state.nodes.values() if node.state is NodeState.WAITING_APPROVAL}


async def done() -> str:
    return "done"


async def test_a_decision_makes_the_run_go_on_in_the_order_that_clients_rely_on(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Approval("approval", title="Go?"), Task("a", done))

    async with driven(flow, store) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        await decide(store, "approval", by="ann")
        assert await driving is RunStatus.FINISHED
    assert await story(store) == [
        "RunStarted",
        "ApprovalRequested approval",
        "NodeWaitingApproval approval",
        "RunStatusChanged",
        "ApprovalGranted approval",
        "NodeFinished approval",
        "RunStatusChanged",
        "NodeStarted a",
        "NodeFinished a",
        "RunFinished",
    ]


async def test_all_approvals_that_the_flow_has_reached_ask_at_once_beside_running_tasks(store: Store) -> None:
    release = asyncio.Event()

    @workflow(max_concurrency=1)
    def flow(_: Any) -> Any:
        return Parallel(
            Task("busy", release.wait), Approval("one"), Approval("two"), Task("three", done, needs_approval=True)
        )

    async with driven(flow, store) as (engine, driving):
        state = await until_state(store, lambda state: len(waiting(state)) == 3)
        assert waiting(state) == {"one", "two", "three"}
        assert state.status is RunStatus.RUNNING, "a run whose task runs is not waiting"
        await decide(store, "two")
        await until_async(lambda: engine.state.nodes["two", 0].state is NodeState.FINISHED)
        release.set()
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        await decide(store, "one")
        await decide(store, "three")
        assert await driving is RunStatus.FINISHED


@no_renewal
async def test_a_decision_from_another_process_wakes_the_engine(store: Store, other_store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Approval("approval")

    async with driven(flow, store) as (_, driving):
        await until_state(other_store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        await decide(other_store, "approval", by="elsewhere")
        async with asyncio.timeout(DEADLINE_S):
            assert await driving is RunStatus.FINISHED
    approval = (await node(store, "approval")).approval
    assert approval is not None
    assert approval.decision is not None
    assert approval.decision.decided_by == "elsewhere"


async def test_a_decision_made_while_nobody_drives_is_applied_by_the_next_driver(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Approval("approval")

    async with driven(flow, store):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
    assert (await store.run("r")).status is RunStatus.SUSPENDED
    await decide(store, "approval")
    async with driven(flow, store) as (_, driving):
        assert await driving is RunStatus.FINISHED


@pytest.mark.parametrize(
    ("on_deny", "state", "status"),
    [
        ("fail", NodeState.FAILED, RunStatus.FAILED),
        ("continue", NodeState.FINISHED, RunStatus.FINISHED),
        ("skip", NodeState.SKIPPED, RunStatus.FINISHED),
    ],
)
async def test_what_a_denial_leads_to(store: Store, on_deny: str, state: NodeState, status: RunStatus) -> None:
    seen: list[Any] = []

    async def see(decision: Any) -> None:
        seen.append(None if decision is None else decision.approved)

    @workflow
    def flow(_: Any) -> Any:
        approval = Approval("approval", on_deny=on_deny)
        return Sequence(approval, Task("a", see, approval))

    async with driven(flow, store) as (_, driving):
        await until_state(store, lambda state: bool(waiting(state)))
        await decide(store, "approval", is_approval=False, by="bob")
        assert await driving is status
    assert (await node(store, "approval")).state is state
    assert seen == {"fail": [], "continue": [False], "skip": [None]}[on_deny]
    if on_deny == "fail":
        error = (await store.run("r")).error
        assert error is not None
        assert "APPROVAL_DENIED" in error
        assert "denied by bob" in error
        assert (await story(store))[-3:] == ["ApprovalDenied approval", "NodeFailed approval", "RunFailed"]


async def test_a_task_that_needs_approval_starts_only_when_it_is_given(store: Store) -> None:
    calls: list[str] = []

    async def work() -> None:
        calls.append("ran")

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", work, needs_approval=True, label="Delete it all")

    async with driven(flow, store) as (_, driving):
        await until_state(store, lambda state: bool(waiting(state)))
        assert calls == []
        (asked,) = await events_of(store, events.ApprovalRequested)
        assert asked.title == "Run Delete it all?"
        await decide(store, "a")
        assert await driving is RunStatus.FINISHED
    assert calls == ["ran"]


async def test_a_denied_task_with_continue_on_fail_fails_and_the_run_goes_on(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("a", done, needs_approval=True, continue_on_fail=True), Task("b", done))

    async with driven(flow, store) as (_, driving):
        await until_state(store, lambda state: bool(waiting(state)))
        await decide(store, "a", is_approval=False)
        assert await driving is RunStatus.FINISHED
    assert (await node(store, "a")).state is NodeState.FAILED
    assert (await node(store, "b")).state is NodeState.FINISHED


@pytest.mark.parametrize("is_approval", [True, False])
async def test_a_decision_is_true_where_the_person_approved(store: Store, is_approval: bool) -> None:  # noqa: FBT001
    approval = Approval("approval", on_deny="continue")

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(approval, lambda ctx: Task("ship", done) if ctx.output(approval) else Task("stop", done))

    async with driven(flow, store) as (_, driving):
        await until_state(store, lambda state: bool(waiting(state)))
        await decide(store, "approval", is_approval=is_approval)
        assert await driving is RunStatus.FINISHED
    assert {one.node_id for one in await events_of(store, events.NodeStarted)} == {"ship" if is_approval else "stop"}


async def test_no_wait_suspends_as_soon_as_only_waits_remain(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Task("a", done), Approval("approval"))

    async with driven(flow, store, options=RunOptions(suspend_when_waiting=True)) as (_, driving):
        assert await driving is RunStatus.SUSPENDED
    assert (await node(store, "a")).state is NodeState.FINISHED
    assert (await node(store, "approval")).state is NodeState.WAITING_APPROVAL

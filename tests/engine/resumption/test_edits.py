"""The workflow is edited, or its tree grows, while the run stands: what was decided and done stays what it was."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Parallel, Sequence, Shell, Store, Task, Workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.fold import RunState
from smithersd.core.log.states import NodeState, RunStatus, WaitKind, WaitStatus
from smithersd.elements import Child
from smithersd.elements.kinds import OnDeny
from smithersd.engine import RunOptions
from smithersd.errors import WorkflowError
from tests.support.runs import RUN_ID, decide, driven, events_of, node, run, until_state


async def ten() -> int:
    return 10


def flow_of(*children: Child) -> Workflow[Any]:
    """One version of the workflow that each test edits."""

    @workflow(name="edited")
    def edited(_: Any) -> Any:
        return Sequence(*children)

    return edited


async def wait_with(store: Store, *children: Child) -> None:
    """Run a version until it waits for a person, and suspend it."""
    async with driven(flow_of(*children), store):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)


def asks(title: str) -> Callable[[RunState], bool]:
    """Whether the approval asks this now."""

    def is_asked(state: RunState) -> bool:
        known = state.nodes.get(("approval", 0))
        return known is not None and known.approval is not None and known.approval.request.title == title

    return is_asked


async def test_a_branch_that_an_edit_puts_before_another_is_judged_by_itself(store: Store) -> None:
    size = Task("size", ten)
    shrink = Branch("huge?", lambda ctx: ctx.output(size) > 100, then=Task("shrink", ten))
    scan = Branch("large?", lambda ctx: ctx.output(size) > 5, then=Task("scan", ten))
    await wait_with(store, size, shrink, Approval("go"))
    async with driven(flow_of(size, scan, shrink, Approval("go")), store) as (_, driving):
        await decide(store, "go")
        assert await driving is RunStatus.FINISHED
    assert (await node(store, "scan")).state is NodeState.FINISHED
    assert [(one.node_id, one.value) for one in await events_of(store, events.BranchDecided)] == [
        ("huge?", False),
        ("large?", True),
    ]


async def test_a_decision_stands_where_the_tree_grows_in_front_of_its_branch(store: Store) -> None:
    @workflow
    def flow(ctx: Context[Any]) -> Any:
        grown = [Task(f"grown {index}", ten) for index in range(2)] if ctx.latest("plan") else []
        is_first = Branch(
            "first?",
            lambda c: c.latest("plan") is None,
            then=Sequence(Task("plan", ten), Task("goes on", ten)),
            otherwise=Task("other", ten),
        )
        return Parallel(*grown, is_first)

    state = await run(flow, store)
    assert state.status is RunStatus.FINISHED
    assert {key[0]: one.state for key, one in state.nodes.items()} == dict.fromkeys(
        ("plan", "goes on", "grown 0", "grown 1"), NodeState.FINISHED
    )
    assert len(await events_of(store, events.BranchDecided)) == 1


async def test_a_decision_stands_where_an_edit_moves_the_branch_into_a_subtree(store: Store) -> None:
    def branch(*, is_large: bool) -> Branch:
        return Branch("large?", is_large, then=Task("yes", ten, needs_approval=True), otherwise=Task("no", ten))

    await wait_with(store, branch(is_large=True))
    async with driven(flow_of(Parallel(Task("new", ten), lambda _: branch(is_large=False))), store) as (_, driving):
        await decide(store, "yes")
        assert await driving is RunStatus.FINISHED
    assert (await node(store, "yes")).state is NodeState.FINISHED
    assert len(await events_of(store, events.BranchDecided)) == 1


BRANCH = Branch("x", when=True, then=Task("then", ten))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (BRANCH, Task("x", ten), "belongs to a branch that is decided in this run, but to a task in the workflow"),
        (BRANCH, Approval("x"), "belongs to a branch that is decided in this run, but to an approval in the workflow"),
        (
            BRANCH,
            Sequence(id="x"),
            "belongs to a branch that is decided in this run, but to a sequence in the workflow",
        ),
        (Task("x", ten), BRANCH, "belongs to a task (finished) in this run, but to a branch in the workflow"),
        (Task("x", ten), Approval("x"), "belongs to a task (finished) in this run, but to an approval in the workflow"),
        (Shell("x", "true", skip_if=True), Task("x", ten), "belongs to a shell (skipped) in this run, but to a task"),
        (
            Task("x", ten),
            Parallel(id="x"),
            "belongs to a task (finished) in this run, but to a parallel in the workflow",
        ),
    ],
)
async def test_an_id_that_an_edit_gives_to_another_kind_of_element_is_refused(
    store: Store, before: Child, after: Child, said: str
) -> None:
    await wait_with(store, before, Approval("approval"))
    with pytest.raises(WorkflowError, match=f"The id 'x' {said}".replace("(", r"\(").replace(")", r"\)")) as refused:
        await run(flow_of(after, Approval("approval")), store)
    assert "another id" in (refused.value.remedy or "")
    assert (await store.run(RUN_ID)).status is RunStatus.SUSPENDED


@pytest.mark.parametrize("after", [Shell("x", "true"), Branch("x", when=False, then=Task("y", ten))])
async def test_an_id_that_nothing_was_done_with_may_become_another_kind_of_element(store: Store, after: Child) -> None:
    await wait_with(store, Approval("approval"), Task("x", ten))
    async with driven(flow_of(Approval("approval"), after), store) as (_, driving):
        await decide(store, "approval")
        assert await driving is RunStatus.FINISHED


async def test_an_edited_approval_that_still_waits_asks_its_new_question(store: Store) -> None:
    notes, more = Task("notes", ten), Task("more", ten)
    before = Approval("approval", title="Ship to staging?", show=notes, metadata={"risk": 1})
    after = Approval(
        "approval",
        title="Ship to production?",
        summary="All of it.",
        show=more,
        metadata={"risk": True},
        on_deny="skip",
    )
    await wait_with(store, notes, before)
    async with driven(flow_of(notes, more, after), store) as (_, driving):
        approval = (await until_state(store, asks("Ship to production?"))).nodes["approval", 0].approval
        assert approval is not None
        [wait] = await store.waits(RUN_ID, WaitKind.APPROVAL)
        assert wait.request == events.ApprovalRequested(
            "approval", 0, "Ship to production?", "All of it.", {"risk": True}, "more", OnDeny.SKIP
        )
        assert (wait.requested_at_ms, wait.status) == (approval.requested_at_ms, WaitStatus.OPEN)
        await decide(store, "approval", is_approval=False)
        assert await driving is RunStatus.FINISHED
    assert (await node(store, "approval")).state is NodeState.SKIPPED
    assert len(await events_of(store, events.ApprovalRequested)) == 2
    assert len(await events_of(store, events.NodeWaitingApproval)) == 1


async def test_an_answer_that_was_accepted_is_the_answer_to_what_was_asked(store: Store) -> None:
    await wait_with(store, Approval("approval", title="Ship to staging?", on_deny="continue"))
    await decide(store, "approval", is_approval=False, by="ada")
    edited = Approval("approval", title="Ship to production?", on_deny="fail")
    assert (await run(flow_of(edited), store)).status is RunStatus.FINISHED
    [asked] = await events_of(store, events.ApprovalRequested)
    assert asked.title == "Ship to staging?"
    assert (await node(store, "approval")).state is NodeState.FINISHED


@pytest.mark.parametrize("edited", [{"label": "Delete it all"}, {"label": None}], ids=["relabelled", "unlabelled"])
async def test_a_task_that_needs_an_approval_asks_anew_under_its_new_label(
    store: Store, edited: dict[str, Any]
) -> None:
    await wait_with(store, Task("x", ten, needs_approval=True, label="Delete a little"))
    flow = flow_of(Task("x", ten, needs_approval=True, **edited))
    async with driven(flow, store, options=RunOptions(suspend_when_waiting=True)) as (_, driving):
        assert await driving is RunStatus.SUSPENDED
    asked = [one.title for one in await events_of(store, events.ApprovalRequested)]
    assert asked == ["Run Delete a little?", f"Run {edited['label'] or 'x'}?"]


async def test_a_approval_that_was_not_edited_does_not_ask_again(store: Store) -> None:
    approval = Approval("approval", title="Go?", summary="Now.", metadata={"b": [1, None], "a": 0.5}, on_deny="skip")
    for _ in range(3):
        await wait_with(store, approval)
    assert len(await events_of(store, events.ApprovalRequested)) == 1


async def test_a_question_that_depends_on_an_output_is_asked_anew_when_that_is_there(store: Store) -> None:
    release = asyncio.Event()

    async def counts() -> int:
        await release.wait()
        return 7

    @workflow
    def flow(ctx: Context[Any]) -> Any:
        ctx.state("approval")
        return Parallel(Task("count", counts), Approval("approval", title=f"Go on with {ctx.latest('count')}?"))

    async with driven(flow, store) as (_, driving):
        await until_state(store, lambda state: state.count(NodeState.WAITING_APPROVAL) == 1)
        release.set()
        await until_state(store, asks("Go on with 7?"))
        await decide(store, "approval")
        assert await driving is RunStatus.FINISHED
    asked = [one.title for one in await events_of(store, events.ApprovalRequested)]
    assert asked == ["Go on with None?", "Go on with 7?"]

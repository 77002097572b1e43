"""The workflow is edited, or its tree grows, while the run stands: what was decided and done stays what it was."""

from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Parallel, Sequence, Shell, Store, Task, Workflow, workflow
from smithersd.core import events
from smithersd.core.states import NodeState, RunStatus
from smithersd.elements import Child
from smithersd.errors import WorkflowError
from tests.engine.runs import RUN_ID, decide, driven, events_of, node, run, until_state


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
        (BRANCH, Task("x", ten), "names a branch that is decided in this run, but a task in the workflow"),
        (BRANCH, Approval("x"), "names a branch that is decided in this run, but an approval in the workflow"),
        (BRANCH, Sequence(id="x"), "names a branch that is decided in this run, but a sequence in the workflow"),
        (Task("x", ten), BRANCH, "names a task (finished) in this run, but a branch in the workflow"),
        (Task("x", ten), Approval("x"), "names a task (finished) in this run, but an approval in the workflow"),
        (Shell("x", "true", skip_if=True), Task("x", ten), "names a shell (skipped) in this run, but a task"),
        (Task("x", ten), Parallel(id="x"), "names a task (finished) in this run, but a parallel in the workflow"),
    ],
)
async def test_an_id_that_an_edit_gives_to_another_kind_of_element_is_refused(
    store: Store, before: Child, after: Child, said: str
) -> None:
    await wait_with(store, before, Approval("gate"))
    with pytest.raises(WorkflowError, match=f"The id 'x' {said}".replace("(", r"\(").replace(")", r"\)")) as refused:
        await run(flow_of(after, Approval("gate")), store)
    assert "another id" in refused.value.remedy
    assert (await store.run(RUN_ID)).status is RunStatus.SUSPENDED


@pytest.mark.parametrize("after", [Shell("x", "true"), Branch("x", when=False, then=Task("y", ten))])
async def test_an_id_that_nothing_was_done_with_may_become_another_kind_of_element(store: Store, after: Child) -> None:
    await wait_with(store, Approval("gate"), Task("x", ten))
    async with driven(flow_of(Approval("gate"), after), store) as (_, driving):
        await decide(store, "gate")
        assert await driving is RunStatus.FINISHED

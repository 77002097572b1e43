"""Rendering follows what is read: lazy subtrees, branches, nodes that are dropped."""

import asyncio
from typing import Any

from pydantic import BaseModel

from smithersd import Approval, Branch, Context, Parallel, Sequence, Store, Task, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus, WaitKind, WaitStatus
from tests.support.runs import decide, driven, events_of, node, run, until_state
from tests.support.waiting import until_async


async def seven() -> int:
    return 7


async def fails() -> int:
    raise ValueError("broken")


async def test_a_workflow_is_rendered_again_only_when_what_it_has_read_has_changed(store: Store) -> None:
    renderings: list[object] = []

    @workflow
    def flow(ctx: Context[Any]) -> Any:
        renderings.append(ctx.latest("a"))
        return Sequence(Task("z", seven), Task("a", seven), Task("b", seven), Task("c", seven))

    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert renderings == [None, 7]
    assert len(await store.frames("r")) == 1, "a tree that is the same makes no frame"


async def test_a_state_that_was_read_renders_again_at_once(store: Store) -> None:
    """Also the start of an attempt is a change of state."""
    seen: list[Any] = []
    release = asyncio.Event()

    @workflow
    def flow(ctx: Context[Any]) -> Any:
        seen.append(ctx.state("a"))
        more = [Task("beside", seven)] if ctx.state("a") == NodeState.IN_PROGRESS else []
        return Parallel(Task("a", release.wait), *more)

    async with driven(flow, store) as (engine, driving):
        await until_async(lambda: ("beside", 0) in engine.state.nodes)
        release.set()
        assert await driving is RunStatus.FINISHED
    assert NodeState.IN_PROGRESS in seen


async def test_a_lazy_subtree_waits_for_the_output_that_it_reads(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        count = Task("count", seven)
        return Parallel(count, lambda ctx: Parallel(*(Task(f"n{i}", seven) for i in range(ctx.output(count)))))

    state = await run(flow, store)
    assert state.status is RunStatus.FINISHED
    assert len(state.nodes) == 8


async def test_an_output_that_can_no_longer_come_fails_the_run_and_names_both(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        count = Task("count", fails, continue_on_fail=True)
        return Sequence(count, lambda ctx: Task("never", seven, ctx.output(count)))

    state = await run(flow, store)
    assert state.error is not None
    assert state.error.code == "OUTPUT_NOT_READY"
    assert "lazy subtree at @0.1" in state.error.message
    assert "'count'" in state.error.message


async def test_a_branch_is_judged_once(store: Store) -> None:
    judged: list[int] = []

    def is_high(ctx: Context[Any]) -> bool:
        judged.append(ctx.output("a"))
        return True

    @workflow
    def flow(_: Any) -> Any:
        branch = Branch("high?", is_high, Approval("yes"), Task("no", seven))
        return Sequence(Task("a", seven), branch, Task("after", seven))

    for _ in range(2):
        async with driven(flow, store):
            await until_state(store, lambda state: ("yes", 0) in state.nodes)
    async with driven(flow, store) as (_, driving):
        await decide(store, "yes")
        assert await driving is RunStatus.FINISHED
    assert judged == [7]
    assert len(await events_of(store, events.BranchDecided)) == 1
    assert {key[0] for key in (await until_state(store, lambda _: True)).nodes} == {"a", "yes", "after"}


async def test_a_condition_that_raises_fails_the_run(store: Store) -> None:
    class Undecided:
        def __bool__(self) -> bool:
            raise TypeError("neither true nor false")

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", seven, skip_if=lambda _: Undecided())  # type: ignore[arg-type, return-value] # no bool

    state = await run(flow, store)
    assert state.error is not None
    assert state.error.code == "WORKFLOW_ERROR"
    assert "skip_if of task 'a'" in state.error.message


class Found(BaseModel):
    count: int


async def find() -> Found:
    return Found(count=2)


async def test_what_was_read_by_id_has_its_type_after_a_resumption_too(store: Store) -> None:
    """Also where the node stands in a lazy subtree, which is rendered after the one that reads."""

    @workflow
    def flow(ctx: Context[Any]) -> Any:
        found = ctx.latest("found")
        more = [] if found is None else [Task(f"n{i}", seven) for i in range(found.count)]
        return Parallel(
            lambda inner: Task("reads", seven, skip_if=inner.output("found").count > 100),
            Sequence(lambda _: Task("found", find), *more, Approval("approval")),
        )

    async with driven(flow, store):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
    async with driven(flow, store) as (_, driving):
        await decide(store, "approval")
        assert await driving is RunStatus.FINISHED


async def test_subtrees_that_depend_on_one_another_are_rendered_in_any_order(store: Store) -> None:
    """At first the one that is depended on comes first; after a resumption it stands behind."""

    @workflow
    def flow(_: Any) -> Any:
        def depends(ctx: Context[Any]) -> Any:
            ctx.output("inner")
            return Task("depends", seven, depends_on="inner")

        return Parallel(depends, lambda _: Task("inner", seven), Approval("approval"))

    async with driven(flow, store):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
    async with driven(flow, store) as (_, driving):
        await decide(store, "approval")
        assert await driving is RunStatus.FINISHED


async def test_a_subtree_that_depends_on_what_never_comes_fails_the_run(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(lambda _: Task("a", seven, depends_on="nowhere"), Task("b", seven))

    state = await run(flow, store)
    assert state.error is not None
    assert state.error.code == "WORKFLOW_ERROR"
    assert "task 'a' depends on 'nowhere', which is not in the tree" in state.error.message


async def test_a_dropped_node_is_cancelled_and_its_attempt_is_ended(store: Store) -> None:
    ended: list[str] = []

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("dropped")

    @workflow
    def flow(ctx: Context[Any]) -> Any:
        dropped = [] if ctx.latest("a") else [Task("dropped", works), Approval("approval")]
        return Sequence(Parallel(Task("a", seven, needs_approval=True), *dropped), Task("after", seven))

    async with driven(flow, store) as (engine, driving):
        await until_async(lambda: bool(engine.live_keys))
        await decide(store, "a")
        assert await driving is RunStatus.FINISHED
    assert ended == ["dropped"]
    cancelled = await events_of(store, events.NodeCancelled)
    assert {(one.node_id, one.reason.value) for one in cancelled} == {
        ("dropped", "unmounted"),
        ("approval", "unmounted"),
    }
    approvals = {wait.key[0]: wait.status for wait in await store.waits("r", WaitKind.APPROVAL)}
    assert approvals == {"a": WaitStatus.ENDED, "approval": WaitStatus.CANCELLED}


async def until_asked(store: Store, node_id: str) -> None:
    key = (node_id, 0)
    await until_state(store, lambda state: key in state.nodes and state.nodes[key].state is NodeState.WAITING_APPROVAL)


async def test_a_dropped_node_that_appears_again_stays_cancelled(store: Store) -> None:
    @workflow
    def flow(ctx: Context[Any]) -> Any:
        is_there = ctx.latest("a") is None or ctx.latest("b") is not None
        approval = [Approval("approval")] if is_there else []
        return Parallel(
            Sequence(Task("a", seven, needs_approval=True), Task("b", seven, needs_approval=True)), *approval
        )

    async with driven(flow, store) as (engine, driving):
        for node_id in ("a", "b"):
            await until_asked(store, node_id)
            await decide(store, node_id)
        assert await driving is RunStatus.FINISHED, engine.state
    assert (await node(store, "approval")).state is NodeState.CANCELLED


async def test_what_runs_elsewhere_is_not_started_again_when_its_parallel_is_dropped(store: Store) -> None:
    """A node that waited for a slot of a parallel moves to the new tree's place, with its own slots."""
    started: list[str] = []
    release = asyncio.Event()

    async def works(name: str) -> None:
        started.append(name)
        await release.wait()

    @workflow
    def flow(ctx: Context[Any]) -> Any:
        dropped = [] if ctx.latest("trigger") else [Task("dropped", works, "dropped")]
        inner = Parallel(*dropped, Task("kept", works, "kept"), max_concurrency=1)
        return Parallel(inner, Task("trigger", seven, needs_approval=True))

    async with driven(flow, store) as (engine, driving):
        await until_async(lambda: started == ["dropped"])
        await until_state(store, lambda state: state.count(NodeState.WAITING_APPROVAL) == 1)
        await decide(store, "trigger")
        await until_async(lambda: engine.state.nodes["dropped", 0].state is NodeState.CANCELLED and "kept" in started)
        release.set()
        assert await driving is RunStatus.FINISHED
    assert started == ["dropped", "kept"]


async def test_a_parallel_counts_what_runs_in_its_lazy_subtrees_through_a_new_rendering(store: Store) -> None:
    crowd: set[str] = set()
    release = asyncio.Event()

    async def works(name: str) -> None:
        crowd.add(name)
        await release.wait()

    @workflow
    def flow(ctx: Context[Any]) -> Any:
        ctx.latest("trigger")
        lazy = [lambda _, name=name: Task(name, works, name) for name in ("one", "two")]
        return Parallel(Parallel(*lazy, max_concurrency=1), Task("trigger", seven, needs_approval=True))

    async with driven(flow, store) as (engine, driving):
        await until_state(store, lambda state: state.count(NodeState.WAITING_APPROVAL) == 1)
        await until_async(lambda: crowd == {"one"})
        await decide(store, "trigger")
        await until_state(store, lambda state: state.nodes["trigger", 0].state is NodeState.FINISHED)
        assert engine.state.nodes["two", 0].state is NodeState.PENDING
        release.set()
        assert await driving is RunStatus.FINISHED

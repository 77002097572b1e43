"""A group tells the ids of what is inside apart from others, and hands on the output of its child."""

from collections.abc import Callable
from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Element, Group, Parallel, Sequence, Store, Task, Workflow
from smithersd.core.log.states import RunStatus
from smithersd.errors import WorkflowError
from smithersd.testing import run_to_end
from tests.support.runs import crash_when, decide, driven, run, until_state

REGIONS = ("eu", "us")


async def deploy(region: str) -> str:
    return f"at {region}"


async def gather(*parts: Any) -> list[Any]:
    return list(parts)


def flow(function: Callable[[Context[Any]], Any]) -> Workflow[Any]:
    return Workflow(function, name="grouped")


def rollout(region: str) -> Element[Any]:
    return Sequence(Task("deploy", deploy, region), Task("verify", gather, depends_on="deploy"))


async def outputs(function: Callable[[Context[Any]], Any]) -> dict[str, Any]:
    result = await run_to_end(flow(function))
    assert result.status is RunStatus.FINISHED, result.error
    return result.outputs


async def test_the_same_nodes_stand_in_several_groups_and_groups_in_groups() -> None:
    found = await outputs(lambda _: Group("prod", Parallel(*(Group(region, rollout(region)) for region in REGIONS))))
    assert set(found) == {"prod/eu/deploy", "prod/eu/verify", "prod/us/deploy", "prod/us/verify"}


async def test_the_output_of_a_group_is_that_of_its_child_wherever_it_comes_from() -> None:
    def chosen(_: Context[Any]) -> Any:
        return Branch("which?", when=True, then=Task("yes", deploy, "here"), otherwise=Task("no", deploy, "there"))

    groups = [
        Group("task", Task("t", deploy, "a")),
        Group("sequence", Sequence(Task("first", deploy, "b"), Group("inner", Task("last", deploy, "c")))),
        Group("lazy", lambda ctx: Task("t", gather, ctx.output("task/t"))),
        Group("branch", chosen),
    ]
    found = await outputs(lambda _: Sequence(*groups, Task("all", gather, *groups, groups[0].map(str.upper))))
    assert found["all"] == ["at a", "at c", ["at a"], "at here", "AT A"]


async def test_an_output_of_a_group_is_read_by_its_element_and_by_its_id_wherever_it_is_read() -> None:
    def function(ctx: Context[Any]) -> Any:
        task = Task("deploy", deploy, "eu")
        group = Group("eu", task)
        seen = [ctx.latest(task), ctx.latest(group), ctx.latest("eu"), ctx.latest("eu/deploy"), str(ctx.state(task))]
        return Sequence(
            group,
            lambda inner: Task("inside", gather, inner.output(task), inner.output(group), inner.output("eu")),
            lambda _: Task("seen", gather, *seen),
        )

    found = await outputs(function)
    assert found["inside"] == ["at eu"] * 3
    assert found["seen"] == ["at eu"] * 4 + ["finished"]


async def test_inside_a_group_an_id_means_the_nearest_of_its_name() -> None:
    def inside(ctx: Context[Any]) -> Any:
        return Task("near", gather, ctx.output("deploy"), ctx.output("other"), ctx.output("us/deploy"))

    group = Group("eu", Sequence(Task("deploy", deploy, "eu"), inside))
    found = await outputs(
        lambda _: Sequence(
            Task("deploy", deploy, "top"),
            Task("other", deploy, "far"),
            Group("us", Task("deploy", deploy, "us")),
            group,
        )
    )
    assert found["eu/near"] == ["at eu", "at far", "at us"]


async def test_one_element_may_stand_in_several_groups() -> None:
    task = Task("deploy", deploy, "x")

    def inside(name: str) -> Element[Any]:
        return Group(name, Sequence(task, Task("next", gather, task)))

    assert set(await outputs(lambda _: Parallel(*map(inside, REGIONS)))) == {
        f"{region}/{name}" for region in REGIONS for name in ("deploy", "next")
    }


async def test_an_approval_in_a_group_shows_and_is_decided_by_its_full_id(store: Store) -> None:
    def function(_: Context[Any]) -> Any:
        task = Task("deploy", deploy, "eu")
        return Group("eu", Sequence(task, Approval("go", title="Go?", show=task)))

    async with driven(flow(function), store) as (_, driving):
        state = await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        asked = state.nodes["eu/go", 0].approval
        assert asked is not None
        assert asked.request.show == "eu/deploy"
        await decide(store, "eu/go")
        assert await driving is RunStatus.FINISHED


NAMES = ("g" * 200, "h" * 200, "i" * 200, "j" * 200, "k" * 200)


def deep(names: tuple[str, ...]) -> Element[Any]:
    return Group(names[0], deep(names[1:])) if names else rollout("x")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda _: Sequence(Group("a", Task("b", print)), Task("a/b", print)), "Two elements have the id 'a/b'"),
        (lambda _: Sequence(Task("b", print), Task("c", print, depends_on="g/b")), "'g/b', which is not in the tree"),
        (lambda _: Group("g", "task"), "not an element"),  # type: ignore[call-overload]
        (lambda _: Sequence(Task("t", gather, Group("g", Parallel()))), "has no output"),
        (lambda _: deep(NAMES), "is longer than 1000 characters"),
    ],
)
async def test_a_mistake_with_groups_is_told_at_render(function: Callable[[Context[Any]], Any], said: str) -> None:
    with pytest.raises(WorkflowError, match=said):
        await run_to_end(flow(function))


async def test_an_element_that_may_be_one_of_several_is_to_be_named_by_its_id() -> None:
    def function(ctx: Context[Any]) -> Any:
        task = Task("deploy", deploy, "x")
        ctx.latest(task)
        return Parallel(*(Group(region, task) for region in REGIONS))

    with pytest.raises(WorkflowError, match="may be one of 'eu/deploy', 'us/deploy'"):
        await run_to_end(flow(function))


async def test_what_a_rendering_read_of_a_group_is_the_same_after_a_crash(store: Store) -> None:
    def function(ctx: Context[Any]) -> Any:
        task = Task("deploy", deploy, "eu")
        group = Group("eu", task)
        more = [Task("more", gather, group)] if ctx.latest(group) and ctx.latest(task) else []
        return Sequence(group, Approval("go"), *more)

    await crash_when(flow(function), store, lambda engine: engine.state.status is RunStatus.WAITING_APPROVAL)
    await decide(store, "go")
    state = await run(flow(function), store)
    assert state.status is RunStatus.FINISHED
    assert state.nodes["more", 0].has_output

"""--from, case by case: what is taken over, and what runs anew because something else does or because it was undone."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Parallel, Store, Task, Workflow, workflow
from smithersd import Sequence as Steps
from smithersd.core.log.states import RunStatus
from smithersd.engine import RunOptions, StartMode, start_run
from smithersd.errors import InvalidRequest
from smithersd.query.stored_log import read_state
from tests.support.mortal import MortalStore, bury
from tests.support.runs import RUN_ID, decide, driven, node, until_state

Tree = Callable[[Context[Any], "Plant"], Any]


class Plant:
    """Makes tasks that note that they ran, and fail while they are broken."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.broken: set[str] = set()

    def task(self, node_id: str, *arguments: Any, **options: Any) -> Task[Any]:
        async def work(*_: Any) -> str:
            self.ran.append(node_id)
            if node_id in self.broken:
                raise RuntimeError(f"{node_id} is broken")
            return node_id

        return Task(node_id, work, *arguments, **options)

    def part(self, node_id: str, *arguments: Any) -> Task[Any]:
        """A task whose failure the flow survives."""
        return self.task(node_id, *arguments, continue_on_fail=True)


def flow_of(tree: Tree, plant: Plant) -> Workflow[Any]:
    @workflow(name="flow")
    def flow(ctx: Context[Any]) -> Any:
        return tree(ctx, plant)

    return flow


async def rerun(
    store: Store, tree: Tree, *broken: str, after: Tree | None = None, redo: Sequence[str] = ()
) -> set[str]:
    """Let a run fail with these tasks broken, mend them, and return what a run from it runs."""
    plant = Plant()
    plant.broken = set(broken)
    engine = await start_run(flow_of(tree, plant), store=store, run_id=RUN_ID)
    assert await engine.drive() is RunStatus.FAILED
    plant.broken, plant.ran = set(), []
    mended = flow_of(after or tree, plant)
    engine = await start_run(mended, store=store, run_id="again", options=RunOptions(from_run=RUN_ID, redo=tuple(redo)))
    assert await engine.drive() is RunStatus.FINISHED
    forecast = engine.forecast
    assert forecast is not None
    if after is None:
        unforeseen = forecast.reused & set(plant.ran)
        assert unforeseen <= {"unskipped"}, "what was said to be taken over ran"  # what a skip_if reads is told later
    return set(plant.ran)


# What depends on what was made anew


def summary(_: Context[Any], plant: Plant) -> Any:
    costly, part = plant.task("costly"), plant.part("part")
    merged = plant.task("merge", costly, part)
    return Steps(costly, part, merged, plant.task("publish", merged))


async def test_a_summary_of_a_failed_part_is_made_anew_and_nothing_else(store: Store) -> None:
    assert await rerun(store, summary, "part", "publish") == {"part", "merge", "publish"}


async def test_what_comes_after_a_changed_node_by_depends_on_is_made_anew(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        first = plant.task("first")
        return Steps(first, plant.task("after", depends_on="first"), plant.task("beside"), plant.task("end"))

    assert await rerun(store, tree, "end", redo=["first"]) == {"first", "after", "end"}


async def test_what_depends_on_a_container_is_made_anew_with_anything_in_it(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        both = Parallel(plant.task("one"), plant.task("two"))
        return Steps(both, plant.task("after", depends_on=both), plant.task("end"))

    assert await rerun(store, tree, "end", redo=["two"]) == {"two", "after", "end"}


async def test_what_a_lazy_subtree_a_branch_and_a_skip_if_looked_at_counts(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        first = plant.task("first")
        return Steps(
            first,
            lambda ctx: plant.task("lazy", ctx.output(first)),
            Branch("first?", lambda ctx: ctx.output(first) == "first", plant.task("chosen")),
            plant.task("unskipped", skip_if=lambda ctx: ctx.state(first) == "failed"),
            plant.task("apart"),
            plant.task("end"),
        )

    assert await rerun(store, tree, "end", redo=["first"]) == {"first", "lazy", "chosen", "unskipped", "end"}


async def test_what_the_workflow_function_looked_at_counts_for_what_came_after(store: Store) -> None:
    def tree(ctx: Context[Any], plant: Plant) -> Any:
        value = ctx.latest("first", "nothing")
        return Steps(plant.task("before"), plant.task("first"), plant.task("second", value), plant.task("end"))

    assert await rerun(store, tree, "end", redo=["first"]) == {"first", "second", "end"}


async def test_what_was_skipped_or_not_chosen_again_has_not_changed(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        skipped = plant.task("skipped", skip_if=True)
        way = plant.task("way not taken")
        return Steps(
            skipped,
            Branch("way?", when=False, then=way),
            plant.task("after", skipped, way),
            plant.task("end"),
        )

    assert await rerun(store, tree, "end") == {"end"}


async def test_a_part_that_fails_again_is_another_failure(store: Store) -> None:
    plant = Plant()
    plant.broken = {"part", "publish"}
    engine = await start_run(flow_of(summary, plant), store=store, run_id=RUN_ID)
    assert await engine.drive() is RunStatus.FAILED
    plant.broken, plant.ran = {"part"}, []
    engine = await start_run(flow_of(summary, plant), store=store, run_id="again", options=RunOptions(from_run=RUN_ID))
    assert await engine.drive() is RunStatus.FINISHED
    assert plant.ran == ["part", "merge", "publish"]


async def test_a_node_whose_output_does_not_fit_any_more_takes_what_follows_with_it(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        costly = plant.task("costly", output=str)
        return Steps(costly, plant.task("derive", costly), plant.task("end"))

    def edited(_: Context[Any], plant: Plant) -> Any:
        async def count() -> int:
            plant.ran.append("costly")
            return 7

        costly = Task("costly", count)
        return Steps(costly, plant.task("derive", costly), plant.task("end"))

    assert await rerun(store, tree, "end", after=edited) == {"costly", "derive", "end"}


# What may have been undone


async def test_what_was_torn_down_is_set_up_again(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        setup = plant.task("setup")
        part = plant.part("part", setup)
        return Steps(plant.task("source"), setup, part, plant.task("teardown", setup), plant.task("verdict", part))

    assert await rerun(store, tree, "part", "verdict") == {"setup", "part", "teardown", "verdict"}


@pytest.mark.parametrize("way", ["depends_on", "container", "lazy", "branch", "skip_if", "all receipts", "nested"])
async def test_a_teardown_is_known_in_whatever_form(store: Store, way: str) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        setup = plant.task("setup")
        part = plant.part("part", setup)
        stage = Steps(setup)

        def has_failed(ctx: Context[Any]) -> bool:
            return ctx.state("part") == "failed"

        forms: dict[str, Callable[[], Any]] = {
            "depends_on": lambda: plant.task("teardown", depends_on=[setup, part]),
            "container": lambda: plant.task("teardown", depends_on=stage),
            "lazy": lambda: lambda ctx: plant.task("teardown", ctx.output("setup")),
            "branch": lambda: Branch("failed?", has_failed, plant.task("teardown", setup)),
            "skip_if": lambda: plant.task("teardown", setup, part, skip_if=lambda ctx: not has_failed(ctx)),
            "all receipts": lambda: Branch("failed?", has_failed, plant.task("teardown", setup, part)),
            "nested": lambda: Parallel(Steps(Parallel(plant.task("teardown", {"of": [setup]})))),
        }
        return Steps(stage, Steps(Parallel(part)), forms[way](), plant.task("verdict", part))

    ran = await rerun(store, tree, "part", "verdict")
    assert {"setup", "part", "verdict"} <= ran


async def test_what_ran_beside_a_failed_part_undid_nothing(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        setup = plant.task("setup")
        lanes = [Steps(fetch := plant.task(f"fetch {n}", setup), plant.part(f"use {n}", fetch)) for n in (1, 2, 3)]
        return Steps(setup, Parallel(*lanes, max_concurrency=1), plant.task("verdict", depends_on=["use 1", "use 3"]))

    assert await rerun(store, tree, "use 1", "verdict") == {"use 1", "verdict"}


async def test_a_teardown_after_parallel_parts_takes_them_all_with_it(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        setup = plant.task("setup")
        parts = [plant.part(f"part {n}", setup) for n in (1, 2)]
        return Steps(setup, Parallel(*parts), plant.task("teardown", setup), plant.task("verdict", *parts))

    assert await rerun(store, tree, "part 1", "verdict") == {"setup", "part 1", "part 2", "teardown", "verdict"}


async def test_what_was_done_after_a_failure_is_not_undone_by_it(store: Store) -> None:
    """A notification that fails at the start does not make a run begin anew."""

    def tree(_: Context[Any], plant: Plant) -> Any:
        fetch = plant.task("fetch")
        clean = plant.task("clean", fetch)
        return Steps(plant.part("notify"), fetch, clean, plant.task("end", clean))

    assert await rerun(store, tree, "notify", "end") == {"notify", "end"}


async def test_what_was_paid_back_is_charged_again(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        names = ["reserve", "charge", "ship"]
        steps = [plant.part(name) for name in names]
        undo = [plant.task(f"undo {name}", step) for name, step in zip(names, steps, strict=True)]

        def has_failed(ctx: Context[Any]) -> bool:
            return any(ctx.state(name) != "finished" for name in names)

        rollback = Steps(*reversed(undo), plant.task("fail"))
        return Steps(*steps, Branch("failed?", has_failed, rollback, plant.task("done")))

    assert await rerun(store, tree, "ship", "fail") == {"reserve", "charge", "ship", "done"}


async def test_it_holds_for_a_run_that_itself_took_over_another(store: Store) -> None:
    def tree(_: Context[Any], plant: Plant) -> Any:
        setup = plant.task("setup")
        part = plant.part("part", setup)
        return Steps(plant.task("source"), setup, part, plant.task("teardown", setup), plant.task("verdict", part))

    plant = Plant()
    for run_id, before, ends in (("a", None, "failed"), ("b", "a", "failed"), ("c", "b", "finished")):
        plant.broken, plant.ran = ({"part", "verdict"} if ends == "failed" else set()), []
        engine = await start_run(flow_of(tree, plant), store=store, run_id=run_id, options=RunOptions(from_run=before))
        assert await engine.drive() == ends
    assert plant.ran == ["setup", "part", "teardown", "verdict"]
    assert (await node(store, "source", "c")).reused_from == "b"


# Approvals


def asking(*, needs_approval: bool = True, shown: str = "notes") -> Tree:
    def tree(_: Context[Any], plant: Plant) -> Any:
        return Steps(
            plant.task("notes"),
            Approval("ok", show=shown),
            plant.task("deploy", needs_approval=needs_approval),
            plant.task("end"),
        )

    return tree


async def failed_after_approvals(store: Store, plant: Plant, tree: Tree, *approvals: str) -> None:
    plant.broken = {"end"}
    async with driven(flow_of(tree, plant), store) as (_, driving):
        for approval in approvals:
            await until_state(store, lambda state, approval=approval: _is_asking(state, approval))  # type: ignore[misc]
            await decide(store, approval, by="ann")
        assert await driving is RunStatus.FAILED
    plant.broken, plant.ran = set(), []


def _is_asking(state: Any, node_id: str) -> bool:
    return (node_id, 0) in state.nodes and state.nodes[node_id, 0].state == "waiting-approval"


async def test_a_node_is_taken_over_with_its_approval_from_run_to_run(store: Store) -> None:
    plant = Plant()
    await failed_after_approvals(store, plant, asking(), "ok", "deploy")
    plant.broken = {"end"}
    engine = await start_run(
        flow_of(asking(), plant), store=store, run_id="second", options=RunOptions(from_run=RUN_ID)
    )
    assert await engine.drive() is RunStatus.FAILED
    plant.broken, plant.ran = set(), []
    engine = await start_run(
        flow_of(asking(), plant), store=store, run_id="third", options=RunOptions(from_run="second")
    )
    assert await engine.drive() is RunStatus.FINISHED
    assert plant.ran == ["end"]


async def test_a_node_that_ran_without_an_approval_asks_when_it_needs_one_now(store: Store) -> None:
    plant = Plant()
    await failed_after_approvals(store, plant, asking(needs_approval=False), "ok")
    engine = await start_run(
        flow_of(asking(), plant),
        store=store,
        run_id="again",
        options=RunOptions(from_run=RUN_ID, suspend_when_waiting=True),
    )
    assert await engine.drive() is RunStatus.SUSPENDED
    state = await read_state(store, "again")
    assert state.nodes["deploy", 0].approval is not None
    assert plant.ran == []


async def test_a_decision_is_asked_for_again_when_what_was_shown_is_made_anew_or_it_is_named(store: Store) -> None:
    plant = Plant()
    await failed_after_approvals(store, plant, asking(), "ok", "deploy")
    for run_id, redo in (("shown", "notes"), ("named", "ok")):
        engine = await start_run(
            flow_of(asking(), plant),
            store=store,
            run_id=run_id,
            options=RunOptions(from_run=RUN_ID, redo=(redo,), suspend_when_waiting=True),
        )
        assert await engine.drive() is RunStatus.SUSPENDED
        assert _is_asking(await read_state(store, run_id), "ok")


# --redo


async def test_redo_of_a_node_that_was_not_there_names_the_like_and_writes_nothing(store: Store) -> None:
    plant = Plant()
    await failed_after_approvals(store, plant, asking(), "ok", "deploy")
    with pytest.raises(InvalidRequest, match="no node 'deplyo'") as raised:
        await start_run(
            flow_of(asking(), plant), store=store, run_id="again", options=RunOptions(from_run=RUN_ID, redo=("deplyo",))
        )
    assert "deploy" in str(raised.value.remedy)
    assert await store.find_run("again") is None


async def test_what_is_to_be_done_again_is_not_forgotten_by_a_crash(store: Store) -> None:
    """The process dies when the run has begun; the flow comes to the node that is done again only after that."""

    def tree(_: Context[Any], plant: Plant) -> Any:
        return Steps(plant.task("new"), plant.task("first"), plant.task("second", "first"), plant.task("end"))

    def before(_: Context[Any], plant: Plant) -> Any:
        return Steps(plant.task("first"), plant.task("second", "first"), plant.task("end"))

    plant = Plant()
    await failed_after_approvals(store, plant, before)
    life = MortalStore(store)
    engine = await start_run(
        flow_of(tree, plant), store=life, run_id="again", options=RunOptions(from_run=RUN_ID, redo=("first",))
    )
    await engine.close()
    life.is_dead = True
    bury(store, "again")
    engine = await start_run(
        flow_of(tree, plant), store=store, run_id="again", options=RunOptions(mode=StartMode.RESUME)
    )
    assert await engine.drive() is RunStatus.FINISHED
    assert "first" in plant.ran
    assert "second" not in plant.ran

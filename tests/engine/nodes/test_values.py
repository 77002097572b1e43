"""What `.map` makes of an output can be given wherever the output can be, and is made where it is needed."""

import asyncio
import re
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from smithersd import Approval, Branch, Context, Parallel, Sequence, Shell, Store, Task, Timer, Workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.elements import Element, Value
from smithersd.engine import RunOptions, start_run
from smithersd.errors import WorkflowError
from smithersd.testing import run_to_end
from tests.support.clocks import StillClock
from tests.support.runs import driven, events_of, node, run, story, until_state
from tests.support.waiting import until_async


class Build(BaseModel):
    path: str
    size: int
    files: list[str] = []


def build() -> Build:
    return Build(path="dist/a b.whl", size=7, files=["a", "b"])


def path_of(made: Build) -> str:
    return made.path


def fails_with(made: Build) -> Any:
    return made.model_dump()["nothing"]


def fails() -> Build:
    raise OSError("no space")


async def later(value: object) -> object:
    return value


BUILT = Task("built", build)


def flow_of(*children: Any) -> Workflow[Any]:
    return Workflow(lambda _: Sequence(*children), name="flow")


async def received(argument: Any) -> Any:
    """Run a task with this argument; return what its function was called with."""
    seen: list[Any] = []

    def look(value: Any) -> None:
        seen.append(value)

    result = await run_to_end(flow_of(BUILT, Task("look", look, argument)))
    assert result.status == "finished", result.error
    return seen[0]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (BUILT.map(path_of), "dist/a b.whl"),
        (BUILT.map(path_of).map(str.upper).map(len), 12),
        ([BUILT.map(path_of), {"size": (BUILT.map(lambda made: made.size),)}], ["dist/a b.whl", {"size": (7,)}]),
        (BUILT.map(path_of).map(Path), Path("dist/a b.whl")),
        (BUILT.map(lambda made: object), object),
    ],
    ids=["a field", "a chain", "nested", "another type", "what JSON cannot hold"],
)
async def test_a_value_is_received_in_the_place_of_what_it_is_made_of(argument: Any, expected: Any) -> None:
    assert await received(argument) == expected


async def test_a_value_makes_its_user_run_after_the_node_and_is_made_where_the_attempt_runs() -> None:
    made_in: list[str] = []

    def noting(made: Build) -> int:
        made_in.append(threading.current_thread().name)
        return made.size

    @workflow
    def flow(_: Any) -> Any:
        built = Task("built", build)
        return Parallel(Task("use", lambda size: size + 1, built.map(noting), output=int), built)

    result = await run_to_end(flow)
    assert result.outputs["use"] == 8
    assert made_in != []
    assert threading.current_thread().name not in made_in


async def test_each_value_and_each_attempt_has_a_copy_of_its_own() -> None:
    seen: list[list[str]] = []

    def spoil(files: list[str], same: list[str], whole: Build) -> None:
        seen.append([*files, "|", *same, "|", *whole.files])
        files.append("spoiled")
        raise ValueError("again")

    def emptied(made: Build) -> list[str]:
        made.files.clear()
        return made.files

    files = BUILT.map(lambda made: made.files)
    await run_to_end(flow_of(BUILT, Task("spoil", spoil, BUILT.map(emptied), files, BUILT, retries=1, retry_delay=0)))
    assert seen == [["|", "a", "b", "|", "a", "b"]] * 2


async def test_a_value_of_a_node_that_ended_without_an_output_is_none(store: Store) -> None:
    failed = Task("failed", fails, continue_on_fail=True)
    skipped = Task("skipped", build, skip_if=True)
    use = Task("use", lambda *values: list(values), failed.map(path_of), skipped.map(path_of), output=list[Any])
    shell = Shell("shell", ["printf", "%s|", failed.map(path_of), "end"])
    assert (await run(flow_of(failed, skipped, use, shell), store)).status is RunStatus.FINISHED
    assert await store.output("r", "use", 0) == "[null,null]"
    assert await store.output("r", "shell", 0) == '"|end|"'


@pytest.mark.parametrize(
    ("made", "word"),
    [
        ("a 'b'", "a 'b'"),
        ('"quoted"', '"quoted"'),
        (7, "7"),
        (True, "true"),
        (None, ""),
        (Path("/a b"), "/a b"),
        ([1, {"a": 2}], '[1,{"a":2}]'),
        (Build(path="p", size=1), '{"path":"p","size":1,"files":[]}'),
    ],
    ids=str,
)
async def test_a_value_is_a_word_of_a_command_and_of_its_environment_as_an_output_is(made: Any, word: str) -> None:
    value = BUILT.map(lambda _: made)
    words = Shell("words", ["printf", "%s|%s", value, "end"])
    result = await run_to_end(flow_of(BUILT, words, Shell("env", 'printf "%s" "$WORD"', env={"WORD": value})))
    assert (result.outputs["words"], result.outputs["env"]) == (f"{word}|end", word)


FAILING: dict[str, tuple[Any, str]] = {
    "raises": (lambda made: made.nothing, "<lambda> raised AttributeError: 'Build' object has no attribute 'nothing'"),
    "returns an element": (lambda _: BUILT, "returned Task('built'), which is no value yet"),
    "returns a value": (lambda _: BUILT.map(path_of), "returned Task('built').map(path_of), which is no value yet"),
    "returns a coroutine": (lambda made: later(made), "returned a coroutine; waiting is for tasks"),  # noqa: PLW0108
}


@pytest.mark.parametrize(("function", "said"), FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("user", ["task", "async task", "shell", "env"])
async def test_a_function_that_fails_fails_the_node_that_uses_it_and_names_both(
    store: Store, user: str, function: Any, said: str
) -> None:
    value = BUILT.map(function)
    use: Element[Any] = {
        "task": Task("use", print, [value], retries=3),
        "async task": Task("use", later, value, retries=3),
        "shell": Shell("use", ["echo", value], retries=3),
        "env": Shell("use", "echo", env={"A": value}, retries=3),
    }[user]
    state = await run(flow_of(BUILT, use), store)
    assert state.error is not None
    assert state.error.code == "VALUE_FAILED"
    assert f"{use.kind} 'use' failed: The value Task('built').map(<lambda>) could not be made" in state.error.message
    assert said in state.error.message
    assert state.nodes["use", 0].state is NodeState.FAILED
    assert not await events_of(store, events.NodeRetrying), "a pure function fails each time"


async def test_a_value_that_no_command_can_be_given_fails_the_shell_and_says_what_to_do(store: Store) -> None:
    state = await run(flow_of(BUILT, Shell("use", ["echo", BUILT.map(lambda _: object())])), store)
    assert state.error is not None
    assert state.error.code == "VALUE_FAILED"
    assert "of type object, cannot be a word of a command" in state.error.message
    assert "Let the function return a text" in state.error.message


async def test_a_function_that_fails_is_no_end_for_a_node_that_may_fail(store: Store) -> None:
    use = Task("use", later, BUILT.map(fails_with), continue_on_fail=True)
    assert (await run(flow_of(BUILT, use, Task("after", build)), store)).status is RunStatus.FINISHED


@pytest.mark.parametrize("function", [later, None, "path"], ids=["async", "nothing", "a text"])
def test_what_is_no_plain_function_is_refused_at_render(function: Any) -> None:
    for given in (BUILT, BUILT.map(path_of)):
        with pytest.raises(WorkflowError, match=re.escape(f"The function of {given!r}.map is")):
            given.map(function)


def test_an_element_without_an_output_has_no_values() -> None:
    with pytest.raises(WorkflowError, match="a parallel has no output"):
        Parallel(BUILT).map(lambda nothing: nothing)


def test_a_value_is_refused_where_its_type_or_its_place_cannot_be() -> None:
    def double(number: int) -> int:
        return 2 * number

    with pytest.raises(WorkflowError, match=r"Argument 'number' of task 'a' is Task\('built'\).map\(path_of\), str"):
        Task("a", double, BUILT.map(path_of))
    assert Task("a", double, BUILT.map(path_of).map(len)).arguments
    with pytest.raises(WorkflowError, match="in a set, where its output cannot replace it"):
        Task("a", print, {BUILT.map(path_of)})


async def test_a_value_of_a_node_that_is_not_in_the_tree_fails_the_run_at_its_start(store: Store) -> None:
    with pytest.raises(WorkflowError, match="depends on Task\\('built'\\), which is not in the tree"):
        await start_run(flow_of(Task("use", print, BUILT.map(path_of))), store=store, run_id="r")


async def test_what_a_person_is_asked_names_the_value(store: Store) -> None:
    calls = Task("use", print, BUILT.map(path_of), needs_approval=True)
    runs = Shell("run", ["upload", BUILT.map(lambda made: made.path)], needs_approval=True)
    await run(flow_of(BUILT, Parallel(calls, runs)), store, options=RunOptions(suspend_when_waiting=True))
    asked = await events_of(store, events.ApprovalRequested)
    assert [(one.summary, one.show) for one in asked] == [
        ("Calls: print(<built>.map(path_of))", "built"),
        ("Runs: upload <built>.map(<lambda>)", "built"),
    ]


# Conditions


async def test_an_element_or_a_value_decides_and_is_waited_for(store: Store) -> None:
    is_large = Task("large?", lambda: True, output=bool)
    flow: Workflow[Any] = Workflow(
        lambda _: Parallel(
            Branch("by element", is_large, then=Task("a", build), otherwise=Task("b", build)),
            Branch("by value", is_large.map(lambda large: not large), Task("c", build), Task("d", build)),
            Task("skipped", build, skip_if=is_large),
            Approval("not asked", skip_if=is_large.map(lambda large: large)),
            is_large,
        ),
        name="flow",
    )
    state = await run(flow, store)
    assert state.status is RunStatus.FINISHED, state.error
    told = await story(store)
    assert {"NodeFinished a", "NodeFinished d", "NodeSkipped skipped", "NodeSkipped not asked"} <= set(told)
    assert not {"NodePending b", "NodeStarted b", "NodeStarted c"} & set(told)
    assert {one.node_id: one.reads for one in await events_of(store, events.BranchDecided)} == {
        "by element": ("large?",),
        "by value": ("large?",),
    }


async def test_a_branch_by_a_value_is_judged_once_whatever_comes_after(store: Store) -> None:
    judged: list[int] = []

    def large(made: Build) -> bool:
        judged.append(made.size)
        return True

    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    def make(last: Any) -> Workflow[Any]:
        return flow_of(BUILT, Branch("large?", BUILT.map(large), Task("then", last, BUILT.map(path_of))))

    async with driven(make(hang), store) as (engine, _):
        await until_async(lambda: ("then", 0) in engine.state.nodes and bool(engine.state.nodes["then", 0].attempts))
    assert (await run(make(later), store)).status is RunStatus.FINISHED
    assert judged == [7]
    assert await store.output("r", "then", 0) == '"dist/a b.whl"'


NO_BOOLS: dict[str, tuple[Any, str]] = {
    "a text": (Task("c", lambda: "no"), "Task('c'), 'no', which is not a bool"),
    "a number made of one": (BUILT.map(lambda made: made.size), "Task('built').map(<lambda>), 7, which is not a bool"),
    "what raises": (BUILT.map(fails_with), "fails_with raised KeyError: 'nothing'"),
    "nothing": (Task("c", fails, continue_on_fail=True, output=bool), "reads the output of 'c', which ended as failed"),
}


@pytest.mark.parametrize(("condition", "said"), NO_BOOLS.values(), ids=NO_BOOLS)
@pytest.mark.parametrize("place", ["task", "branch"])
async def test_a_condition_that_comes_to_no_bool_fails_the_run_and_names_the_node(
    store: Store, place: str, condition: Any, said: str
) -> None:
    before = condition.source if isinstance(condition, Value) else condition
    places = {
        "task": (Task("a", build, skip_if=condition), "task 'a'"),
        "branch": (Branch("a", condition, then=Task("b", build)), "branch 'a'"),
    }
    element, name = places[place]
    state = await run(flow_of(before, element), store)
    assert state.error is not None
    assert state.error.code in {"WORKFLOW_ERROR", "OUTPUT_NOT_READY"}
    assert name in state.error.message
    assert said in state.error.message


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (BUILT, "the output of Task('built'), which is not a bool"),
        (Approval("ok"), "the output of Approval('ok'), which is not a bool"),
        (Shell("s", "true"), "the output of Shell('s'), which is not a bool"),
        (Parallel(BUILT), "Parallel(None), which has no output"),
    ],
    ids=repr,
)
def test_a_condition_that_can_never_be_a_bool_is_refused_at_render(condition: Any, said: str) -> None:
    for make in (lambda: Task("a", build, skip_if=condition), lambda: Branch("a", condition, Task("b", build))):
        with pytest.raises(WorkflowError, match=re.escape(said)) as refused:
            make()
        assert ".map" in (refused.value.remedy or "")


async def test_a_branch_that_waits_for_what_is_inside_of_it_is_refused_at_render(store: Store) -> None:
    inside = Task("inside", lambda: True, output=bool)
    with pytest.raises(WorkflowError, match="can never start: 'inside'"):
        await start_run(Workflow(lambda _: Branch("b", inside, inside), name="flow"), store=store, run_id="r")


# Timers


async def test_a_timer_waits_as_long_as_an_output_or_a_value_says(store: Store) -> None:
    clock = StillClock()
    pause = Task("pause", lambda: 60, output=int)
    until = Task("date", lambda: datetime.fromtimestamp(clock.now_ms() / 1000).astimezone(), output=datetime)

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(
            Timer("by element", pause),
            Timer("by value", pause.map(lambda seconds: timedelta(seconds=2 * seconds))),
            Timer("by date", until=until.map(lambda date: date + timedelta(minutes=3))),
            pause,
            until,
        )

    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.count(NodeState.WAITING_TIMER) == 3)
        created = {one.node_id: one for one in await events_of(store, events.TimerCreated)}
        waits_s = {node_id: (one.fires_at_ms - clock.now_ms()) / 1000 for node_id, one in created.items()}
        assert waits_s == {"by element": 60, "by value": 120, "by date": 180}
        assert {node_id: one.timer_type.value for node_id, one in created.items()} == {
            "by element": "duration",
            "by value": "duration",
            "by date": "absolute",
        }
        clock.pass_ms(180_000)
        assert await driving is RunStatus.FINISHED


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"after": BUILT.map(path_of)}, "The after of timer 't' is 'dist/a b.whl', which is not a duration"),
        ({"until": BUILT.map(lambda _: datetime(2030, 1, 1))}, "which has no time zone"),  # noqa: DTZ001 - so
        ({"until": BUILT.map(fails_with)}, "The until of timer 't' has no value. The value"),
    ],
    ids=["no duration", "no zone", "raises"],
)
async def test_a_time_that_is_none_fails_the_run_and_names_the_timer(
    store: Store, times: dict[str, Any], said: str
) -> None:
    state = await run(flow_of(BUILT, Timer("t", **times)), store)
    assert state.error is not None
    assert state.error.code == "WORKFLOW_ERROR"
    assert said in state.error.message


def test_a_time_that_a_container_is_to_tell_is_refused_at_render() -> None:
    with pytest.raises(WorkflowError, match="after of timer 't' is Parallel"):
        Timer("t", Parallel(BUILT))  # type: ignore[arg-type]


# What is read in a context


async def test_a_context_reads_a_value_as_it_reads_an_output() -> None:
    @workflow
    def flow(ctx: Context[Any]) -> Any:
        built = Task("built", build)
        assert ctx.latest(built.map(path_of), "none") in {"none", "dist/a b.whl"}
        return Sequence(built, lambda inner: Task("use", str, inner.output(built.map(path_of))))

    assert (await run_to_end(flow)).outputs["use"] == "dist/a b.whl"


# Taking over an earlier run


async def test_what_stands_on_a_value_that_is_made_anew_is_made_anew(store: Store) -> None:
    ran: list[str] = []
    broken = {"end"}

    def work(name: str) -> bool:
        ran.append(name)
        if name in broken:
            raise RuntimeError(name)
        return True

    @workflow
    def flow(_: Any) -> Any:
        first = Task("first", work, "first")
        value = first.map(lambda done: done)
        return Sequence(
            first,
            Task("argument", lambda _: work("argument"), value),
            Task("unskipped", work, "unskipped", skip_if=first.map(lambda done: not done)),
            Branch("first?", value, then=Task("then", work, "then")),
            Task("apart", work, "apart"),
            Task("end", work, "end"),
        )

    assert (await run(flow, store)).status is RunStatus.FAILED
    broken.clear()
    for redo, expected in (((), {"end"}), (("first",), {"first", "argument", "unskipped", "then", "end"})):
        ran.clear()
        options = RunOptions(from_run="r", redo=redo)
        engine = await start_run(flow, store=store, run_id=f"again-{len(redo)}", options=options)
        assert await engine.drive() is RunStatus.FINISHED
        assert set(ran) == expected
    assert (await node(store, "end")).state is NodeState.FAILED

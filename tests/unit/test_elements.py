"""Every mistake that an author can make in a tree is told at render, names the node, and says what to do."""

import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypedDict, TypeVar

import pytest
from pydantic import BaseModel, Field

from smithersd import Approval, Branch, Context, Parallel, Sequence, Shell, Task, Workflow, workflow
from smithersd.core.flow.flow import Flow
from smithersd.core.log.fold import RunState
from smithersd.elements.values.schema import schema_for
from smithersd.errors import InvalidInput, InvalidOutput, WorkflowError

T = TypeVar("T")


class Bug(BaseModel):
    description: str


class Analysis(BaseModel):
    summary: str


class Deeper(Analysis):
    depth: int


@dataclass
class Point:
    x: int


class Row(TypedDict):
    x: int


class Speaks(Protocol):
    def speak(self) -> str: ...


def analyze(bug: Bug) -> Analysis:
    return Analysis(summary=bug.description)


def deepen(analysis: Analysis) -> Deeper:
    return Deeper(summary=analysis.summary, depth=1)


def fix(analysis: Analysis, tries: int = 1) -> str:
    return analysis.summary * tries


def add(*numbers: float) -> float:
    return sum(numbers)


def anything(value: Any) -> Any:
    return value


def untyped(value):
    return value


def generates() -> Iterable[int]:
    yield 1


def nested(depth: int) -> Any:
    innermost: Any = 1
    return functools.reduce(lambda inner, _: [inner], range(depth), innermost)


analysis = Task("analyze", analyze, Bug(description="it crashes"))


def render(child: Callable[[Any], Any] | Any) -> Flow:
    """Render a tree as the first step of a run would."""
    function = child if callable(child) else lambda _: child
    flow = Flow(Workflow(function, name="flow"), state=RunState("r"), input=None, max_concurrency=1, chance=lambda: 0.0)
    flow.begin(0)
    return flow


def mistake(make: Callable[[], Any], *named: str, remedy: str) -> Any:
    return pytest.param(make, named, remedy, id=" ".join(named))


MISTAKES = [
    # ids
    mistake(lambda: Task("", print), "The task id '' is empty", remedy="1 to 200 printable characters"),
    mistake(lambda: Task("x" * 201, print), "201 characters long", remedy="1 to 200"),
    mistake(lambda: Task("@1", print), "'@1'", 'begins with "@"', remedy="task-1"),
    mistake(lambda: Approval("."), "The approval id '.'", "means a folder", remedy="approval-1"),
    mistake(lambda: Shell("..", "true"), "'..'", "means a folder", remedy="shell-1"),
    mistake(lambda: Task("a\nb", print), "cannot be printed", remedy="printable"),
    mistake(lambda: Task(7, print), "The task id 7 is of type int, not a text", remedy="Give the task an id"),
    mistake(lambda: Sequence(id="@x"), "The sequence id '@x'", remedy="sequence-1"),
    # the tree
    mistake(
        lambda: Sequence(Task("a", print), Parallel(Approval("a"))), "'a'", "task and approval", remedy="its own id"
    ),
    mistake(lambda: Sequence(Task("a", print, depends_on="b")), "task 'a'", "'b'", "not in the tree", remedy="id"),
    mistake(
        lambda: Task("fix", fix, analysis), "task 'fix'", "Task('analyze')", "not in the tree", remedy="into the tree"
    ),
    mistake(
        lambda: Parallel(Task("a", print, depends_on="b"), Task("b", print, depends_on="a")),
        "'a', 'b'",
        "wait for one another",
        remedy="let none of those depend on it",
    ),
    mistake(
        lambda: Sequence(Task("a", print, depends_on="b"), Task("b", print)),
        "'a', 'b'",
        "can never start",
        remedy="comes after all nodes before it",
    ),
    mistake(lambda: Task("a", print, depends_on="a"), "'a'", "can never start", remedy="depend"),
    mistake(lambda: Sequence([Task("a", print)]), "child of sequence", remedy="Sequence(*children)"),
    mistake(lambda: Parallel("a", id="p"), "child of parallel 'p'", remedy="Give elements"),
    mistake(lambda: Parallel(max_concurrency=0), "max_concurrency of a parallel is 0", remedy="at least 1"),
    mistake(
        lambda: functools.reduce(lambda inner, _: Sequence(inner), range(200), Sequence()),
        "more than 90 elements deep",
        remedy="Nest fewer",
    ),
    # functions and their arguments
    mistake(lambda: Task("a", None), "task 'a' has None", remedy="the function itself"),
    mistake(lambda: Task("a", generates), "task 'a'", "generator function", remedy="Return a list"),
    mistake(lambda: Task("fix", fix), "task 'fix'", "missing a required argument: 'analysis'", remedy="positional"),
    mistake(lambda: Task("fix", fix, analysis, 1, 2), "task 'fix'", "too many", remedy="functools.partial"),
    mistake(lambda: Task("fix", fix, tries=2), "task 'fix'", "unknown option 'tries'", remedy="functools.partial"),
    mistake(lambda: Task("a", print, cache=True), "unknown option 'cache'", remedy="options are"),
    mistake(
        lambda: Task("fix", fix, Bug(description="")),
        "Argument 'analysis' of task 'fix' is of type Bug, but fix takes Analysis",
        remedy="Pass what the function takes",
    ),
    mistake(
        lambda: Task("fix", fix, Task("x", fix, analysis)),
        "Argument 'analysis' of task 'fix' is the output of task 'x', str, but fix takes Analysis",
        remedy="annotation",
    ),
    mistake(lambda: Task("fix", fix, analysis, "2"), "'tries'", "of type str", "takes int", remedy="takes"),
    mistake(lambda: Task("add", add, 1, 2.5, "3"), "'numbers' of task 'add'", "of type str", remedy="takes"),
    mistake(
        lambda: Task("fix", fix, Approval("approval")), "the output of approval 'approval', Decision", remedy="takes"
    ),
    mistake(
        lambda: Task("fix", functools.partial(fix, analysis)),
        "task 'fix' has Task('analyze') in a functools.partial",
        remedy="as an argument of the task itself",
    ),
    mistake(
        lambda: Task("a", anything, functools.partial(print, end=analysis)),
        "in a functools.partial",
        remedy="Pass",
    ),
    mistake(
        lambda: Task("a", anything, Sequence(id="steps")),
        "task 'a'",
        "Sequence('steps')",
        "no output",
        remedy="depends_on",
    ),
    mistake(lambda: Task("a", anything, [{"k": Parallel()}]), "a parallel has no output", remedy="that is inside it"),
    mistake(lambda: Task("a", print, output=Speaks), "task 'a'", "no JSON schema", remedy="output="),
    *(
        [mistake(lambda: Task("a", print, output=Row), "task 'a'", "no JSON schema", remedy="typing_extensions")]
        if sys.version_info < (3, 12)
        else []
    ),
    # options
    mistake(lambda: Task("a", print, retries=-1), "retries of task 'a' is -1", remedy="whole number"),
    mistake(lambda: Task("a", print, retries=True), "retries of task 'a' is True", remedy="whole number"),
    mistake(lambda: Task("a", print, timeout="soon"), "timeout of task 'a' is 'soon'", remedy="1h30m"),
    mistake(lambda: Task("a", print, timeout=0), "timeout of task 'a' is 0", remedy="positive"),
    mistake(lambda: Task("a", print, retry_delay=-1), "retry_delay of task 'a'", remedy="seconds"),
    mistake(lambda: Task("a", print, max_delay=float("nan")), "max_delay of task 'a'", remedy="seconds"),
    mistake(lambda: Task("a", print, backoff="random"), "backoff of task 'a'", remedy="'exponential'"),
    mistake(lambda: Task("a", print, jitter=2), "jitter of task 'a' is 2", remedy="from 0 to 1"),
    mistake(lambda: Task("a", print, continue_on_fail="yes"), "continue_on_fail of task 'a'", remedy="True or False"),
    mistake(lambda: Task("a", print, skip_if="yes"), "skip_if of task 'a'", remedy="function of the context"),
    mistake(lambda: Task("a", print, depends_on=[7]), "depends_on of task 'a' has 7", remedy="or their ids"),
    mistake(lambda: Task("a", print, label=7), "label of task 'a' is 7", remedy="text"),
    mistake(
        lambda: Branch(lambda _: True, then=Task("a", print)),
        "The first argument of a branch is its id, not a function",
        remedy='Branch("large?", when, then, otherwise)',
    ),
    mistake(lambda: Branch(7, Task("a", print), id="b"), "its id, not 7", remedy="Name the question"),
    mistake(lambda: Branch("", lambda _: True, Task("a", print)), "The branch id '' is empty", remedy="branch-1"),
    mistake(
        lambda: Sequence(Task("a", print), Branch("a", lambda _: True, Task("b", print))),
        "Two elements have the id 'a': task and branch",
        remedy="its own id",
    ),
    mistake(lambda: Branch("b", "yes", Task("a", print)), "when of branch 'b'", remedy="bool"),
    # shells and approvals
    mistake(lambda: Shell("s", " "), "command of shell 's'", remedy="list of words"),
    mistake(lambda: Shell("s", ["echo", 7]), "command of shell 's'", remedy="a text, an element"),
    mistake(lambda: Shell("s", "true", env={"A": 1}), "env of shell 's'", remedy="dict"),
    mistake(lambda: Shell("s", ["echo", Sequence()]), "shell 's'", "no output", remedy="depends_on"),
    mistake(lambda: Approval("g", on_deny="explode"), "on_deny of approval 'g'", remedy="'continue'"),
    mistake(lambda: Approval("g", metadata={"a": object()}), "metadata of approval 'g'", remedy="plain data"),
    mistake(lambda: Approval("g", metadata=[float("nan")]), "metadata of approval 'g'", remedy="plain data"),
    mistake(lambda: Approval("g", show=Sequence()), "show of approval 'g'", "no output", remedy="Give a task"),
    mistake(lambda: Approval("g", title=7), "title of approval 'g'", remedy="text"),
    mistake(lambda: Approval("g", title="x" * 1_025), "title of approval 'g'", "1024", remedy="task"),
    mistake(lambda: Approval("g", title="a\ud800"), "title of approval 'g'", "surrogate", remedy="UTF-8"),
    mistake(lambda: Approval("g", summary="é" * 40_000), "summary of approval 'g'", "65536", remedy="task"),
    mistake(lambda: Approval("g", metadata=nested(101)), "approval 'g' is nested deeper than 100", remedy="flatter"),
    mistake(lambda: Approval("g", metadata=nested(250)), "metadata of approval 'g'", "JSON", remedy="plain data"),
    mistake(lambda: Approval("g", metadata=nested(5_000)), "metadata of approval 'g'", "JSON", remedy="plain data"),
    mistake(lambda: Approval("g", metadata=["x" * 70_000]), "metadata of approval 'g'", "65536", remedy="show"),
    mistake(lambda: Task("a", print, label="a\ud800"), "label of task 'a'", "surrogate", remedy="UTF-8"),
    mistake(lambda: Task("a", print, label="x" * 1_025), "label of task 'a'", "1024", remedy="task"),
    mistake(lambda: None, "workflow function 'flow' returned None, which is not an element", remedy="forget return"),
    mistake(lambda: 7, "workflow function 'flow' returned 7, which is not an element", remedy="Return a Task"),
    mistake(lambda: Approval("g", show="nothing"), "approval 'g'", "'nothing'", "not in the tree", remedy="id"),
]


@pytest.mark.parametrize(("make", "named", "remedy"), MISTAKES)
def test_a_mistake_is_told_with_the_node_and_a_remedy(
    make: Callable[[], Any], named: tuple[str, ...], remedy: str
) -> None:
    with pytest.raises(WorkflowError) as raised:
        render(make())
    for part in named:
        assert part in raised.value.message
    assert remedy in (raised.value.remedy or "")


def test_an_output_that_is_not_ready_at_the_top_level_is_an_error_that_says_where_to_read_it() -> None:
    with pytest.raises(WorkflowError, match="reads the output of 'a', which is not ready") as raised:
        render(lambda ctx: Task("b", anything, ctx.output("a")))
    assert "lazy subtree" in (raised.value.remedy or "")
    assert "ctx.latest('a')" in (raised.value.remedy or "")


def test_what_a_workflow_function_raises_is_told_with_its_place_whatever_it_is() -> None:
    def calls_task_context(_: Any) -> Any:
        from smithersd import task_context  # noqa: PLC0415

        return task_context()

    for function in (calls_task_context, lambda _: 1 / 0):
        with pytest.raises(WorkflowError, match=r"workflow function 'flow' raised .*\.py:\d+"):
            render(function)


def takes(annotation: Any) -> Callable[[Any], None]:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = annotation
    return function


class Anything:
    """A value whose type says nothing."""

    def __repr__(self):
        return "anything"


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, float),
        (True, int),
        (1, int | None),
        (None, int | None),
        ("a", Literal["a", "b"]),
        ("a", Annotated[str, Field(min_length=1)]),
        ([1], list[int]),
        ((1, 2), tuple[int, ...]),
        ({"a": 1}, dict[str, int]),
        ([analysis], list[Analysis]),
        ([1], Iterable[int]),
        (print, Callable[..., None]),
        (date(2020, 1, 1), date),
        (timedelta(1), timedelta),
        (Path(), Path),
        (Point(1), Point),
        (Anything(), Speaks),
        (Anything(), T),
        (Anything(), "Unresolvable"),
        (Anything(), Any),
        (Anything(), object),
        (int, type[int]),
        (analysis, Analysis),
        (analysis, Analysis | None),
        (analysis, BaseModel),
        (Task("deeper", deepen, analysis), Analysis),
        (analysis, Deeper),  # a subclass may be what it returns
        (Task("any", anything, 1), Analysis),
        (Task("untyped", untyped, 1), int),
        (Task("sum", add, 1, 2), float),
        (Shell("s", "true"), str),
    ],
    ids=repr,
)
def test_what_may_fit_is_not_refused(value: Any, annotation: Any) -> None:
    assert Task("a", takes(annotation), value).arguments == (value,)


def test_callables_of_every_sort_are_looked_through() -> None:
    class Adder:
        def __call__(self, number: int) -> int:
            return number

        def method(self, number: int) -> int:
            return number

    for function in (Adder(), Adder().method, functools.partial(fix, tries=2), functools.partial(Adder().method)):
        with pytest.raises(WorkflowError, match="of type"):
            Task("a", function, Point(1))
    assert Task("a", Point, 1).schema.type is Point
    with pytest.raises(WorkflowError, match="'x' of task 'a' is of type str, but Point takes int"):
        Task("a", Point, "1")


def test_an_input_is_measured_in_bytes() -> None:
    flow: Workflow[Any] = Workflow(lambda _: analysis, name="flow")
    assert flow.input_text("e" * 600_000)
    with pytest.raises(InvalidInput, match="has 1200002 bytes"):
        flow.input_text("é" * 600_000)


def test_a_workflow_takes_one_parameter_and_is_plain() -> None:
    async def awaits(ctx: Context[Any]) -> Any: ...

    for function, message in ((awaits, "not a plain function"), (lambda: None, "has 0 parameters")):
        with pytest.raises(WorkflowError, match=message) as raised:
            workflow(name="w")(function)
        assert raised.value.remedy


def test_durations_are_seconds_or_a_text() -> None:
    for timeout, seconds in ((90, 90), ("1h30m", 5_400), ("250ms", 0.25), (timedelta(minutes=2), 120)):
        assert Task("a", print, timeout=timeout).attempts.timeout_s == seconds


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (Any, float("nan")),
        (Any, {"a": [float("inf")]}),
        (dict[str, Any], {"a": float("-inf")}),
        (float, float("nan")),
        (float | None, float("nan")),
        (list[float], [float("inf")]),
    ],
)
def test_a_number_that_json_does_not_have_is_refused_and_never_becomes_null(type: Any, value: object) -> None:
    with pytest.raises(InvalidOutput):
        schema_for(type, "task 'a'").dump(value)


def test_texts_that_only_look_like_such_numbers_are_kept() -> None:
    assert schema_for(Any, "task 'a'").dump(["NaN", "Infinity"]) == '["NaN","Infinity"]'


def test_a_workflow_function_that_asks_for_an_exit_is_mistaken() -> None:
    with pytest.raises(WorkflowError, match="'flow' raised SystemExit: 7"):
        render(lambda _: sys.exit(7))


def test_a_tree_names_what_a_node_comes_after_also_where_that_has_no_id() -> None:
    before, after = Sequence(Task("a", print)), Parallel(id="side by side")
    tree = render(Sequence(before, after, Task("c", print, depends_on=["a", before, after]))).tree
    assert tree["children"][2]["dependsOn"] == ["a", "@0.0", "side by side"]


def test_a_lazy_subtree_names_what_it_comes_after_outside() -> None:
    before = Sequence()
    flow = render(Sequence(before, lambda _: Task("c", print, depends_on=before)))
    [lazy] = [child for child in flow.tree["children"] if child["kind"] == "lazy"]
    assert lazy["children"][0]["dependsOn"] == ["@0.0"]


def test_a_mistake_in_the_workflow_function_is_told_with_its_line() -> None:
    def mistaken(_: Any) -> Any:
        return Task("x", print) if analysis else Task("y", print)  # type: ignore[truthy-bool] # the mistake

    with pytest.raises(
        WorkflowError, match=r"used as a condition.* \(tests/unit/test_elements.py:\d+ in mistaken\)\.$"
    ):
        render(mistaken)

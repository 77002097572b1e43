"""What a type checker knows of a workflow, from the input through the elements to what is read of them.

mypy reads this file in `scripts/check`. For it, `assert_type` holds a type, and a `type: ignore` that is not needed is
an error: so each mistake that has one is found. When pytest runs the file, the workflow runs, and mistakes are refused.
"""

from typing import Any, assert_type

import pytest
from pydantic import BaseModel

from smithersd import (
    Approval,
    Branch,
    Context,
    Decision,
    Group,
    Parallel,
    Sequence,
    Shell,
    Signal,
    Task,
    TaskTimeout,
    Timer,
    Value,
    Workflow,
    workflow,
)
from smithersd.elements import Element
from smithersd.errors import WorkflowError
from smithersd.testing import run_to_end


class Bug(BaseModel):
    title: str


class Patch(BaseModel):
    lines: int


async def fix(bug: Bug, note: str = "") -> Patch:
    return Patch(lines=len(bug.title) + len(note))


def review(patch: Patch) -> bool:
    return patch.lines < 100


def never_rendered(_: Context[Any]) -> Element[Any]:
    raise AssertionError


@workflow
def bugfix(ctx: Context[Bug]) -> Element[Any]:
    assert_type(ctx, Context[Bug])
    assert_type(ctx.input, Bug)
    assert_type(ctx.run_id, str)
    fixed = Task("fix", fix, ctx.input)
    agreed = Approval("agree", title="Is it right?")

    merged = Signal("merged", Patch)
    late = Signal("late", Patch, timeout="1h", on_timeout="continue")
    assert_type(merged, Signal[Patch])
    assert_type(late, Signal[Patch | None])
    assert_type(Signal("any", key=merged.map(lambda patch: str(patch.lines))), Signal[Any])

    def shipped(inner: Context[Bug]) -> Element[Any]:
        assert_type(inner.output(fixed), Patch)
        assert_type(inner.output(fixed.map(review)), bool)
        assert_type(inner.output("fix"), Any)
        assert_type(inner.latest(fixed), Patch | None)
        assert_type(inner.latest(fixed, default=0), Patch | int)
        assert_type(inner.output(agreed), Decision)
        assert_type(inner.output(agreed).note, str | None)
        return Task("ship", review, inner.output(fixed))

    return Sequence(fixed, agreed, shipped)


def test_the_type_of_the_input_goes_through_the_context() -> None:
    assert_type(bugfix, Workflow[Bug])
    assert_type(bugfix.load_input('{"title": "it crashes"}'), Bug)


def test_a_named_workflow_keeps_the_type_of_its_input() -> None:
    @workflow(name="named", max_concurrency=2)
    def named(ctx: Context[Bug]) -> Element[Any]:
        return Task("fix", fix, ctx.input)

    assert_type(named, Workflow[Bug])


async def test_a_workflow_of_these_types_runs() -> None:
    result = await run_to_end(bugfix, Bug(title="it crashes"))
    assert_type(result.status.value, str)
    assert result.status == "finished"


def test_an_element_has_the_type_of_its_output() -> None:
    fixed = Task("fix", fix, Bug(title="it crashes"))
    assert_type(fixed, Task[Patch])
    assert_type(Task("review", review, fixed), Task[bool])
    assert_type(Task("print", print, fixed), Task[None])
    assert_type(Shell("list", "ls"), Shell[str])
    output: Element[Patch] = fixed
    wider: Element[BaseModel] = fixed
    decision: Element[Decision] = Approval("agree")
    assert {output.id, wider.id, decision.id} == {"fix", "agree"}


def test_what_is_made_of_an_output_has_its_own_type() -> None:
    fixed = Task("fix", fix, Bug(title="it crashes"))
    lines = fixed.map(lambda patch: patch.lines)
    assert_type(lines, Value[int])
    assert_type(lines.map(str).map(len), Value[int])
    assert_type(fixed.map(review), Value[bool])
    number: Value[float] = lines
    Branch("large?", fixed.map(review), then=Approval("agree"))
    Branch("right?", Task("review", review, fixed), then=Approval("agree"))
    Task("ship", review, fixed, skip_if=lines.map(bool))
    Timer("wait", lines)
    Shell("tell", ["echo", lines.map(str)], env={"LINES": fixed.map(str)})
    assert number.source is fixed


def test_a_condition_and_a_time_of_another_type_are_found() -> None:
    fixed = Task("fix", fix, Bug(title="it crashes"))
    lines = fixed.map(lambda patch: patch.lines)
    with pytest.raises(WorkflowError):
        Branch("large?", fixed, then=Approval("agree"))  # type: ignore[arg-type]
    Branch("large?", lines, then=Approval("agree"))  # type: ignore[arg-type]
    Timer("wait", fixed)  # type: ignore[arg-type]
    fixed.map(lambda patch: patch.rows)  # type: ignore[attr-defined]


def test_a_box_takes_elements_and_functions_of_the_context() -> None:
    fixed = Task("fix", fix, Bug(title="it crashes"))
    box: Element[Any] = Sequence(fixed, Parallel(Task("review", review, fixed), never_rendered))
    branch: Element[Any] = Branch("large?", lambda ctx: ctx.output(fixed).lines > 10, then=Approval("agree"))
    assert {box.kind, branch.kind} == {"sequence", "branch"}


def test_a_group_and_a_sequence_have_the_type_of_the_output_that_they_hand_on() -> None:
    fixed = Task("fix", fix, Bug(title="it crashes"))
    assert_type(Group("a", fixed), Group[Patch])
    assert_type(Group("a", never_rendered), Group[Any])
    assert_type(Sequence(Approval("agree"), fixed), Sequence[Patch])
    assert_type(Group("a", Sequence(Approval("agree"), fixed)), Group[Patch])
    patch: Element[Patch] = Group("a", fixed)
    assert patch.id == "a"


def test_what_is_no_element_is_refused_before_it_runs() -> None:
    with pytest.raises(WorkflowError):
        Sequence("fix")  # type: ignore[call-overload]
    with pytest.raises(WorkflowError):
        Parallel(Task("fix", fix, Bug(title="")), max_concurrency="two")  # type: ignore[arg-type]
    with pytest.raises(WorkflowError):
        Branch("large?", "yes", then=Approval("agree"))  # type: ignore[arg-type]


def test_an_option_of_another_type_or_name_is_refused_before_it_runs() -> None:
    with pytest.raises(WorkflowError):
        Task("fix", fix, Bug(title=""), retries="three")  # type: ignore[call-overload]
    with pytest.raises(WorkflowError):
        Task("fix", fix, Bug(title=""), tries=3)  # type: ignore[call-overload]
    with pytest.raises(WorkflowError):
        Task("fix", "fix")  # type: ignore[call-overload]
    with pytest.raises(WorkflowError):
        Approval("agree", title=7)  # type: ignore[arg-type]


def test_which_errors_are_retried_is_said_by_classes_exit_codes_or_a_function() -> None:
    def is_transient(error: BaseException) -> bool:
        return "transient" in str(error)

    assert_type(Task("fix", fix, Bug(title=""), retry_on=(OSError, TaskTimeout)), Task[Patch])
    assert_type(Task("fix", fix, Bug(title=""), retry_on=is_transient), Task[Patch])
    assert_type(Shell("list", "ls", retry_on=(2, TaskTimeout)), Shell[str])
    with pytest.raises(WorkflowError):
        Task("fix", fix, Bug(title=""), retry_on="OSError")  # type: ignore[call-overload]
    with pytest.raises(WorkflowError):
        Task("fix", fix, Bug(title=""), retry_on=[OSError])  # type: ignore[call-overload]


def test_what_an_input_or_an_output_does_not_have_is_found() -> None:
    def misread(ctx: Context[Bug]) -> Element[Any]:
        fixed = Task("fix", fix, ctx.input)
        assert_type(ctx.input.name, Any)  # type: ignore[attr-defined]
        assert_type(ctx.output(fixed).rows, Any)  # type: ignore[attr-defined]
        return ctx.input  # type: ignore[return-value]

    assert_type(Workflow(misread), Workflow[Bug])


def test_an_output_of_another_type_is_found() -> None:
    bugs: Element[Bug] = Task("fix", fix, Bug(title=""))  # type: ignore[arg-type]
    assert bugs.id == "fix"


def test_a_function_that_makes_no_element_is_no_workflow() -> None:
    def counts(_: Context[Bug]) -> int:
        return 1

    assert Workflow(counts).name == "counts"  # type: ignore[arg-type]

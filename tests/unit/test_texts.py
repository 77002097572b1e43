"""Ids, labels and other texts that are members of a (str, Enum), or of another subclass of str."""

from enum import Enum
from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Parallel, Sequence, Shell, Task, workflow
from smithersd.errors import WorkflowError
from smithersd.testing import run_to_end


class Step(str, Enum):  # noqa: UP042 - its str(), format() and hash() differ from those of its text
    FETCH = "fetch"
    ASK = "ask"
    LARGE = "large?"
    SHIP = "ship"
    FAIL = "fail"
    FIXED = "fixed"
    ECHO = "echo"


class Loud(str):
    """A text that shows itself otherwise."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()

    def __hash__(self) -> int:
        return 7


def fetch() -> str:
    return "fetched"


async def test_enum_members_name_nodes_wherever_a_text_does() -> None:
    seen: list[Any] = []

    @workflow(name=Step.SHIP)
    def flow(ctx: Context[Any]) -> Any:
        seen.append((ctx.latest(Step.FETCH), ctx.state(Step.FETCH)))
        fetching = Task(Step.FETCH, fetch, label=Step.FETCH, backoff=Step.FIXED)  # type: ignore[call-overload] # equal
        return Sequence(
            Parallel(fetching, id=Loud("side by side")),
            Approval(Step.ASK, title=Step.ASK, summary=Loud("why"), show=Step.FETCH, on_deny=Step.FAIL),
            Branch(Step.LARGE, lambda c: c.output(Step.FETCH) == "fetched", then=Task("then", fetch)),
            Shell(Step.ECHO, [Step.ECHO, Step.SHIP, "$X"], env={Step.SHIP: Step.SHIP}, depends_on=[Step.FETCH]),
            lambda c: Task(Step.SHIP, str, c.output(Step.ECHO), depends_on=Step.FETCH),
        )

    result = await run_to_end(flow, decisions={Step.ASK: True}, run_id=Step.SHIP)
    assert result.error is None
    assert f"{result.run_id}" == "ship"
    assert set(result.outputs) == {"fetch", "ask", "then", "echo", "ship"}
    assert seen[-1] == ("fetched", "finished")
    assert all(type(one) is str for one in result.outputs)
    assert result.outputs["echo"] == "ship $X\n"


def test_what_is_kept_of_a_text_is_the_plain_text() -> None:
    approval = Approval(Loud("approval"), title=Loud("Go?"), summary=Step.ASK, show=Step.FETCH, label=Step.ASK)
    assert [type(one) for one in (approval.id, approval.title, approval.summary, approval.show, approval.label)] == [
        str
    ] * 5
    assert (approval.id, approval.title, approval.summary, approval.show) == ("approval", "Go?", "ask", "fetch")
    assert Approval(Step.ASK).title == "Approve ask?"
    shell = Shell("s", Step.ECHO, cwd=Step.SHIP, env={Loud("x"): Loud("y")}, depends_on=Step.FETCH)
    assert (shell.command, shell.cwd, shell.env, shell.depends_on) == ("echo", "ship", {"x": "y"}, ("fetch",))


@pytest.mark.parametrize("text", ["a\0b", "half \ud800"])
def test_a_text_that_not_every_store_can_hold_is_refused(text: str) -> None:
    for make in (
        lambda: Task("a", fetch, label=text),
        lambda: Approval("a", title=text),
        lambda: Approval("a", summary=text),
    ):
        with pytest.raises(WorkflowError, match="'a' has"):
            make()

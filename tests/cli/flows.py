"""Workflows that the tests of the command line run."""

import sys
import time
from typing import Any

from pydantic import BaseModel

from smithersd import Approval, Branch, Context, Parallel, Sequence, Shell, Signal, Task, Timer, workflow

sys.stdout.write("a workflow file may print\n")


class Order(BaseModel):
    version: str = "1.0"


def _made(order: Order) -> dict[str, str]:
    return {"wheel": f"demo-{order.version}.whl", "notes": "long " * 100}


@workflow
def quick(ctx: Context[Order]) -> Any:
    return Sequence(Task("make", _made, ctx.input), Task("say", str.upper, "done"))


@workflow
def overnight(_: Any) -> Any:
    return Sequence(Timer("next morning", "8h"), Task("say", str.upper, "done"))


@workflow
def order(_: Any) -> Any:
    return Signal("pay", name="paid", key="INV-7", timeout="8h")


@workflow
def approval(ctx: Context[Order]) -> Any:
    made = Task("make", _made, ctx.input)
    ask = Approval("publish", title="Publish it?", show=made)
    return Sequence(made, ask, Task("release", lambda decision: decision.decision, ask))


@workflow
def approvals(ctx: Context[None]) -> Any:
    return Parallel(Approval("left"), Approval("right", title="Take the right one?", on_deny="skip"), id="both")


@workflow
def slow(ctx: Context[None]) -> Any:
    return Task("sleep", time.sleep, 300)


@workflow
def failing(ctx: Context[None]) -> Any:
    return Task("divide", lambda: 1 / 0, retries=1, retry_delay=0.01)


@workflow
def counting(ctx: Context[None]) -> Any:
    return Sequence(Approval("start"), *(Task(f"step-{i}", str, i) for i in range(50)))


@workflow
def shapes(ctx: Context[None]) -> Any:
    first = Task("first", str.upper, "a", retries=3, retry_on=OSError, timeout="1h30m", label="The first")
    return Sequence(
        first,
        Parallel(Task("second", str.lower, first, continue_on_fail=True), max_concurrency=2),
        Branch("true?", lambda c: True, then=Task("yes", str, 1), otherwise=Task("no", str, 0)),
        lambda c: Task("later", str.upper, c.output(first)),
    )


@workflow
def nested(ctx: Context[None]) -> Any:
    regions = (Sequence(Approval(f"ship-{name}"), label=f"Region {name}") for name in ("eu", "ap"))
    return Sequence(Sequence(Parallel(*regions, label="配送")), lambda c: Sequence(Sequence(Task("end", str, 1))))


def _notes() -> str:
    return "# What is new\n" + "\n".join(f"- fault {number} is mended, which many had seen" for number in range(100))


@workflow
def careful(ctx: Context[None]) -> Any:
    notes = Task("notes", _notes)
    ask = Approval(
        "publish",
        title="Publish 1.2.0 to the index?",
        summary="It replaces 1.1.9.\nThere is no way back.",
        show=notes,
        metadata={"risk": "low", "tickets": ["A-1", "A-2"]},
    )
    return Sequence(notes, ask, Shell("upload", ["scp", notes, "host:/srv/my wheels"], needs_approval=True))


@workflow
def wide(ctx: Context[None]) -> Any:
    long = "a-node-with-a-very-long-name-that-hardly-fits-into-half-of-a-line"
    failing = Task(long, _refused, continue_on_fail=True, label="A step whose label is as long as its name, or longer")
    approvals = Approval("情報-approval", title="発表しますか? 🚀"), Approval("second", title="And " * 30 + "so on?")
    return Sequence(
        Task("報告", _notes),
        failing,
        Parallel(*approvals, label="配送"),
    )


def _refused() -> None:
    raise ValueError("the remote has said that it cannot be done, because the quota of the project has been used up")


@workflow(timeout="2h")
def limited(_: Any) -> Any:
    return Approval("publish")

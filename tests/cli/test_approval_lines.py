"""Nobody decides blind: an approval's whole question stands wherever somebody may answer it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from smithersd.core.log.states import RunStatus
from smithersd.limits import APPROVAL_LINES_MAX
from tests.cli.conftest import FLOWS, Said, driving, finish, run_flow, start
from tests.cli.terminal.terminal import on_terminal

Smithers = Callable[..., Said]

QUESTION = (
    "Publish 1.2.0 to the index?",
    "It replaces 1.1.9.",
    "There is no way back.",
    "risk: low",
    'tickets: ["A-1","A-2"]',
    "Output of notes:",
    "| # What is new",
    "| - fault 0 is mended, which many had seen",
    "more lines",
)


CALLING = """
from functools import partial
from smithersd import Sequence, Task, workflow

def version(): return "1.2.0"
def publish(version, channel, *, dry, options): ...

@workflow
def flow(ctx):
    made = Task("version", version)
    call = partial(publish, dry=True, options={"set": {1}, "text": "x" * 500})
    return Sequence(made, Task("publish", call, made, "beta", needs_approval=True))
"""


@pytest.mark.parametrize("command", ["ps", "inspect", "approve", "deny"])
def test_a_question_is_told_whole(smithers: Smithers, command: str) -> None:
    run_flow("careful", "release-1")
    said = smithers(command)
    assert said.code == 0
    assert [part for part in QUESTION if part not in said.out] == []


def test_a_decision_says_what_was_decided_before_what_is_next(smithers: Smithers) -> None:
    run_flow("careful", "release-1")
    done, asked, *_ = smithers("approve").out.splitlines()
    assert done.startswith("Approved publish of run release-1 as ada.")
    assert asked == "publish asked: Publish 1.2.0 to the index?"
    assert asked in smithers("approve").out.splitlines()  # said again it is the same, and shown again


def test_up_tells_it_in_plain_lines_also_when_it_was_asked_before() -> None:
    for how in ((), ("--resume",)):
        said = finish(start("up", f"{FLOWS}:careful", "--run-id", "release-1", "--no-wait", *how))
        assert said.code == 3, said.err
        assert [part for part in QUESTION if part not in said.out] == []
        assert said.out.count("publish asks: ") == 1
        question, rest = said.out.split("publish asks: ")[1].split("smithers approve release-1 --node publish\n")
        assert len(question.splitlines()) <= APPROVAL_LINES_MAX + 3
        assert rest.startswith("Run suspended")


def test_up_tells_it_on_a_terminal() -> None:
    shown = on_terminal("up", f"{FLOWS}:careful", "--run-id", "release-1", "--no-wait", code=3, LINES="40")
    assert [part for part in QUESTION if part not in shown] == []


@pytest.mark.parametrize("command", ["ps", "inspect", "approve"])
def test_what_is_longer_than_a_screen_is_cut_and_the_way_to_all_of_it_is_said(smithers: Smithers, command: str) -> None:
    run_flow("careful", "release-1")
    out = smithers(command).out
    assert "fault 99" not in out
    assert "All of it: smithers inspect release-1" in out
    assert "fault 99" in smithers("inspect", "--json").document["approvals"][0]["shown"]


def test_a_command_that_needs_an_approval_is_shown_with_what_is_put_in(smithers: Smithers) -> None:
    with driving("careful", "release-1", RunStatus.WAITING_APPROVAL):
        smithers("approve", "--node", "publish")
        for said in (smithers("ps"), smithers("inspect"), smithers("deny")):
            assert "Run upload?" in said.out
            assert "Runs: scp <notes> 'host:/srv/my wheels'" in said.out
            assert "| # What is new" in said.out


def test_a_call_that_needs_an_approval_is_shown(smithers: Smithers, place: Path) -> None:
    (place / "flow.py").write_text(CALLING)
    assert finish(start("up", "flow.py", "--run-id", "r", "--no-wait")).code == 3
    out = smithers("ps").out
    assert 'Calls: publish(<version>, "beta", dry=true, options={"set":[1],"text":"xxx' in out
    assert "Output of version: 1.2.0" in out
    assert "x" * 100 not in out

"""The live region fits every terminal, and shows what matters first."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from smithersd.cli.terminal.live_region import Screen
from smithersd.cli.terminal.live_view import live_view
from smithersd.core.log import events as e
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.core.log.states import RunStatus
from smithersd.daemon.report import StartedRun
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.storage import Storage
from smithersd.elements.kinds import OnDeny
from smithersd.errors import ErrorInfo
from smithersd.query.approvals import PendingApproval

NOW_MS = 100_000


@dataclass
class SentNotifications:
    """What a view asks of an engine, told by events."""

    state: RunState = field(default_factory=lambda: RunState("run-1"))
    problem: str | None = None
    approvals: dict[NodeKey, PendingApproval] = field(default_factory=dict)
    run_id: str = "run-1"

    @property
    def tree(self) -> dict[str, Any]:
        children = [{"kind": "task", "id": node_id} for node_id, _ in self.state.nodes]
        return {"kind": "sequence", "id": "@0", "children": children}

    def tell(self, *told: e.Event) -> None:
        for event in told:
            self.state.apply(Recorded(self.state.last_seq + 1, 1_000 + self.state.last_seq, event))

    def node(self, node_id: str, how: str) -> None:
        """Bring a node into a state."""
        self.tell(e.NodePending(node_id, 0, "task"))
        if how in {"running", "finished", "failed"}:
            self.tell(e.NodeStarted(node_id, 0, 1))
        match how:
            case "finished":
                self.tell(e.NodeFinished(node_id, 0, 1))
            case "failed":
                self.tell(
                    e.NodeFailed(
                        node_id, 0, ErrorInfo("TASK_FAILED", "ValueError", "bad\nnews " * 20), is_final=True, attempt=1
                    )
                )
            case "waiting":
                asked = e.ApprovalRequested(node_id, 0, "Go?", None, None, None, OnDeny.FAIL)
                self.tell(asked, e.NodeWaitingApproval(node_id, 0))


def draw(told: SentNotifications, screen: Screen) -> list[str]:
    begun = StartedRun(engine=told, workflow="flow.py", storage=Storage(StateFolder(Path(".smithers"))), url=None)  # type: ignore[arg-type]
    console = Console(width=screen.width, height=screen.height, file=None, color_system=None)
    with console.capture() as captured:
        console.print(live_view(begun, screen, now_ms=NOW_MS, notes={}, approvals=told.approvals))
    return captured.get().splitlines()


@pytest.fixture
def told() -> SentNotifications:
    made = SentNotifications()
    made.tell(e.RunStarted("flow"))
    return made


NODES = st.lists(st.sampled_from(["pending", "running", "waiting", "finished", "failed"]), max_size=60)
NAMES = st.sampled_from(["n", "a-long-name-that-no-narrow-terminal-can-hold", "名前"])


PROBLEMS = st.sampled_from([None, "the disk is full"])


@given(hows=NODES, name=NAMES, width=st.integers(10, 200), height=st.integers(3, 50), problem=PROBLEMS)
def test_a_drawing_never_is_higher_or_wider_than_its_screen(
    hows: list[str], name: str, width: int, height: int, problem: str | None
) -> None:
    told = SentNotifications(problem=problem)
    told.tell(e.RunStarted("flow"))
    for number, how in enumerate(hows):
        told.node(f"{name}-{number}", how)
    lines = draw(told, Screen(width, height))
    assert len(lines) < height
    assert all(cell_len(line) <= width for line in lines)


def test_a_small_run_shows_its_whole_tree(told: SentNotifications) -> None:
    for how in ("finished", "running", "pending"):
        told.node(how, how)
    text = "\n".join(draw(told, Screen(80, 24)))
    assert "sequence" in text
    assert all(mark in text for mark in ("✓ finished", "● running", "· pending"))


def test_of_a_large_run_what_failed_waits_and_runs_comes_first_and_the_rest_is_counted(told: SentNotifications) -> None:
    for number in range(500):
        told.node(f"done-{number}", "finished")
    told.node("r", "running")
    told.node("w", "waiting")
    told.node("f", "failed")
    lines = draw(told, Screen(80, 12))
    assert [line.split()[1] for line in lines[:3]] == ["f", "w", "r"]
    assert not any("done-" in line for line in lines)
    assert "500 finished" in lines[-1]
    assert "smithers approve run-1 --node w" in lines[-2]


def test_many_waits_show_a_few_commands_and_how_many_more(told: SentNotifications) -> None:
    for number in range(10):
        told.node(f"approval-{number}", "waiting")
    text = "\n".join(draw(told, Screen(80, 24)))
    assert text.count("smithers approve") == 3
    assert "and 7 more: smithers inspect run-1" in text


def test_a_run_that_waits_for_its_store_says_so(told: SentNotifications) -> None:
    told.problem = "the disk is full"
    assert "the disk is full" in draw(told, Screen(80, 24))[-1]


@pytest.mark.parametrize("end", [e.RunFinished(), e.RunCancelled(), e.RunSuspended("stopped")])
def test_the_last_drawing_leaves_the_words_to_the_closing_lines(told: SentNotifications, end: e.Event) -> None:
    told.node("only", "finished")
    told.tell(end)
    text = "\n".join(draw(told, Screen(80, 24)))
    assert "✓ only" in text
    assert RunStatus.RUNNING not in text


def test_the_timeout_of_the_run_stands_beside_what_it_took() -> None:
    told = SentNotifications()
    told.tell(e.RunStarted("flow", times_out_at_ms=1_000 - 1 + 7_200_000))
    told.node("a", "running")
    assert " of 2h00m: " in draw(told, Screen(80, 20))[-1]

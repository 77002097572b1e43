"""ps and inspect."""

import re
import urllib.request
from collections.abc import Callable

import pytest

from smithersd.core.log.states import RunStatus
from smithersd.engine import StartMode
from tests.cli.conftest import FLOWS, Said, driving, kill, run_flow
from tests.support.waiting import DEADLINE_S

Smithers = Callable[..., Said]


def test_ps_lists_live_runs_the_newest_first(smithers: Smithers) -> None:
    run_flow("approvals", "live-1")
    run_flow("quick", "ended-1")
    run_flow("approval", "live-2")
    said = smithers("ps")
    assert (said.code, said.err) == (0, "")
    rows = [line for line in said.out.splitlines() if not line.startswith(" ")]
    assert rows[0].split() == ["RUN", "WORKFLOW", "STATUS", "STARTED", "TIME"]  # no run has a process: no PID, no UP
    assert [row.split()[:3] for row in rows[1:]] == [
        ["live-2", "approval", "suspended"],
        ["live-1", "approvals", "suspended"],
    ]
    asked = [line.split()[0] for line in said.out.splitlines() if " asks: " in line]
    assert asked == ["publish", "left", "right"]


def test_ps_tells_what_gets_each_run_on(smithers: Smithers) -> None:
    run_flow("approval", "live-1")
    out = smithers("ps").out
    assert "\n  publish asks: Publish it?\n" in out
    assert "\n    smithers approve live-1 --node publish\n" in out
    assert f"\n  Resume it with:\n    smithers up {FLOWS}:approval --run-id live-1 --resume\n" in out


def test_ps_all_lists_runs_that_have_ended_too(smithers: Smithers) -> None:
    run_flow("quick", "ended-1")
    assert smithers("ps").out == "No run is live; `smithers ps --all` lists those that have ended.\n"
    assert smithers("ps", "--json").document == []
    assert [run["runId"] for run in smithers("ps", "--all", "--json").document] == ["ended-1"]


def test_ps_limit_is_kept_and_said(smithers: Smithers) -> None:
    for i in range(3):
        run_flow("quick", f"ended-{i}")
    said = smithers("ps", "--all", "--limit", "2")
    assert "ended-2" in said.out
    assert "ended-0" not in said.out
    assert said.out.endswith("These are the newest 2; --limit shows more.\n")
    assert "--limit" not in smithers("ps", "--all", "--limit", "3").out
    assert smithers("ps", "--limit", "0").code == 4


def test_ps_json_has_the_names_of_the_wire(smithers: Smithers) -> None:
    run_flow("approval", "live-1")
    run_flow("failing", "failed-1")
    failed, live = smithers("ps", "--all", "--json").document
    assert set(live) == {
        "runId",
        "workflowName",
        "status",
        "startedAtMs",
        "finishedAtMs",
        "error",
        "workflowPath",
        "fromRunId",
        "url",
        "pid",
        "driver",
        "processStartedAtMs",
        "pidFile",
        "logFile",
        "standbys",
        "servers",
        "goesOnWith",
        "waitsFor",
    }
    assert (live["status"], live["finishedAtMs"], live["pid"]) == ("suspended", None, None)
    assert live["workflowPath"] == f"{FLOWS}:approval"
    [waits_for] = live["waitsFor"]
    assert (waits_for["nodeId"], waits_for["iteration"], waits_for["title"]) == ("publish", 0, "Publish it?")
    assert (failed["status"], failed["waitsFor"]) == ("failed", [])
    assert failed["error"]["name"] == "ZeroDivisionError"


def test_a_served_run_is_listed_with_its_address(smithers: Smithers) -> None:
    with driving("approval", "live-1", RunStatus.WAITING_APPROVAL, "--serve", "--port", "0") as process:
        [run] = smithers("ps", "--json").document
        assert run["pid"] == process.pid
        with urllib.request.urlopen(f"{run['url']}/health", timeout=DEADLINE_S) as answer:
            assert answer.status == 200
        assert run["url"] in smithers("ps").out
        assert run["url"] in smithers("inspect").out


def test_a_driven_run_is_listed_with_its_process(smithers: Smithers) -> None:
    with driving("slow", "live-1", RunStatus.RUNNING) as process:
        [run] = smithers("ps", "--json").document
        assert (run["status"], run["url"], run["pid"]) == ("running", None, process.pid)
        assert f" {process.pid} " in smithers("ps").out


def test_ps_says_how_long_a_process_is_up(smithers: Smithers) -> None:
    with driving("approval", "live-1", RunStatus.WAITING_APPROVAL):
        [run] = smithers("ps", "--json").document
        assert run["startedAtMs"] - 30_000 < run["processStartedAtMs"] <= run["startedAtMs"]
        heads, row, *_ = smithers("ps").out.splitlines()
        assert re.match(r"\d+(ms|\.\ds)$", row[heads.index(" UP") + 1 :])


def test_ps_lists_a_run_that_has_ended_while_its_process_stands(smithers: Smithers) -> None:
    with driving("quick", "ended-1", RunStatus.FINISHED, "--serve", "--port", "0") as process:
        [run] = smithers("ps", "--json").document
        assert (run["status"], run["pid"]) == ("finished", process.pid)
        kill(process)
    assert smithers("ps", "--json").document == []


def test_a_run_whose_process_died_is_called_interrupted(smithers: Smithers) -> None:
    with driving("slow", "dead-1", RunStatus.RUNNING) as process:
        kill(process)
    for said in (smithers("ps"), smithers("inspect")):
        assert "interrupted" in said.out
        assert "running" not in said.out
        assert "in-progress" not in said.out
        assert f"smithers up {FLOWS}:slow --run-id dead-1 --resume" in said.out
    [run] = smithers("ps", "--json").document
    assert (run["status"], run["url"], run["pid"]) == ("interrupted", None, None)
    assert smithers("inspect", "--json").document["status"] == "interrupted"


def test_inspect_shows_the_run_its_tree_and_what_gets_it_on(smithers: Smithers) -> None:
    run_flow("approval", "live-1", input={"version": "2.0"})
    out = smithers("inspect").out
    head, tree, steps = out.split("\n\n")
    assert head.splitlines()[0] == "live-1 suspended"
    assert f"workflow  approval ({FLOWS}:approval)" in head
    assert 'input     {"version":"2.0"}' in head
    lines = tree.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["┬", "sequence"],
        ["✓", "make", "finished"],
        ["?", "publish", "waiting-approval"],
        ["·", "release", "pending"],
    ]
    assert '-> {"wheel":"demo-2.0.whl"' in lines[1]
    assert all(len(line) < 120 for line in lines)
    asked, output, brace, wheel, notes, end, *commands = steps.splitlines()
    assert [asked, output, brace, wheel] == [
        "publish asks: Publish it?",
        "  Output of make:",
        "  | {",
        '  |   "wheel": "demo-2.0.whl",',
    ]
    assert notes.startswith('  |   "notes": "long long')
    assert notes.endswith("…")
    assert [end, *commands] == [
        "  | }",
        "  All of it: smithers inspect live-1 --json",
        "  smithers approve live-1 --node publish",
        "  smithers deny live-1 --node publish",
        "Resume it with:",
        f"  smithers up {FLOWS}:approval --run-id live-1 --resume",
    ]


def test_inspect_shows_when_a_run_times_out(smithers: Smithers) -> None:
    run_flow("limited", "live-1")
    assert re.search(r"times out  +at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, in 1h59m", smithers("inspect").out)
    told = smithers("inspect", "--json").document
    assert told["timesOutAtMs"] == told["startedAtMs"] + 7_200_000


def test_inspect_shows_why_a_run_failed(smithers: Smithers) -> None:
    run_flow("failing", "failed-1")
    out = smithers("inspect", "failed-1").out
    assert "error     ZeroDivisionError: task 'divide' failed: division by zero" in out
    assert "attempt 2, ZeroDivisionError: division by zero" in out
    assert f"smithers up {FLOWS}:failing --from failed-1" in out


def test_inspect_json_is_whole_and_has_the_shapes_of_the_wire(smithers: Smithers) -> None:
    run_flow("approval", "live-1")
    told = smithers("inspect", "--json").document
    assert told["summary"] == {"finished": 1, "waiting-approval": 1, "pending": 1}
    assert [(node["nodeId"], node["state"]) for node in told["nodes"]] == [
        ("make", "finished"),
        ("publish", "waiting-approval"),
        ("release", "pending"),
    ]
    made = told["nodes"][0]
    assert made["output"] == {"wheel": "demo-1.0.whl", "notes": "long " * 100}
    assert [attempt["state"] for attempt in made["attempts"]] == ["finished"]
    assert set(made) == {
        "nodeId",
        "iteration",
        "kind",
        "label",
        "state",
        "attempt",
        "startedAtMs",
        "finishedAtMs",
        "error",
        "attempts",
        "output",
    }
    [approval] = told["approvals"]
    assert (approval["nodeId"], approval["shown"], approval["shownTruncated"]) == ("publish", made["output"], False)
    assert told["tree"]["kind"] == "sequence"
    assert told["input"] == {"version": "1.0"}, "what was left out has its default, once and for all"


def test_inspect_shows_a_tree_in_tree_order_with_the_subtrees_that_were_reached(smithers: Smithers) -> None:
    run_flow("shapes", "shapes-1")
    told = smithers("inspect", "shapes-1")
    names = [line.split()[1] for line in told.out.split("\n\n")[1].splitlines()]
    assert names == ["sequence", "first", "parallel", "second", "branch", "yes", "no", "later"]
    assert "parallel (at most 2 at once)" in told.out


def test_inspect_names_containers_by_their_labels_and_leaves_nameless_levels_out(smithers: Smithers) -> None:
    run_flow("nested", "nested-1")
    lines = smithers("inspect", "nested-1").out.split("\n\n")[1].splitlines()
    assert lines[:3] == ["┬ sequence", '  ┬ parallel "配送"', '    ┬ sequence "Region eu"']
    assert lines[-1].split() == ["┬", "lazy"]


def test_a_run_that_took_over_another_says_so(smithers: Smithers) -> None:
    assert run_flow("approval", "live-1") is RunStatus.SUSPENDED
    assert smithers("cancel", "live-1").code == 0
    with driving("approval", "live-2", RunStatus.WAITING_APPROVAL, "--from", "live-1"):
        out = smithers("inspect", "live-2").out
    assert "reuses     outputs of live-1" in out
    assert "reused from live-1" in out


@pytest.mark.parametrize("command", ["ps", "inspect", "events", "graph"])
def test_reading_changes_nothing(smithers: Smithers, command: str) -> None:
    run_flow("approval", "live-1")
    before = smithers("events", "--json").out
    smithers(command, *([f"{FLOWS}:approval"] if command == "graph" else []))
    assert smithers("events", "--json").out == before
    assert run_flow("approval", "live-1", mode=StartMode.RESUME) is RunStatus.SUSPENDED

"""approve, deny and cancel."""

import getpass
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smithersd.core.log.states import RunStatus
from smithersd.engine import StartMode
from smithersd.store import Store
from tests.cli.conftest import FLOWS, Said, driving, finish, in_store, kill, run_flow, start
from tests.support.waiting import DEADLINE_S

Smithers = Callable[..., Said]


def outputs(run_id: str) -> dict[str, Any]:
    async def read(store: Store) -> dict[str, Any]:
        return {row.node_id: json.loads(row.output) for row in await store.outputs(run_id)}

    found: dict[str, Any] = in_store(read)
    return found


def test_an_approval_is_applied_by_the_process_that_drives_the_run(smithers: Smithers) -> None:
    with driving("approval", "release-1", RunStatus.WAITING_APPROVAL) as process:
        said = smithers("approve", "--note", "as agreed", "--decision", '{"channel": "beta"}')
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("Approved publish of run release-1 as ada. The run is ")
        assert process.wait(60) == 0
    assert outputs("release-1")["release"] == {"channel": "beta"}


def test_a_denial_ends_a_run_whose_approval_fails_by_it(smithers: Smithers) -> None:
    with driving("approval", "release-1", RunStatus.WAITING_APPROVAL) as process:
        said = smithers("deny", "release-1", "--node", "publish", "--by", "eve", "--note", "too early")
        assert (said.code, said.err) == (0, "")
        assert "Denied publish of run release-1 as eve. The run is failed." in said.out
        assert f"smithers up {FLOWS}:approval --from release-1" in said.out
        assert process.wait(60) == 1


def test_a_decision_counts_later_where_nobody_drives_the_run(smithers: Smithers) -> None:
    assert run_flow("approval", "release-1") is RunStatus.SUSPENDED
    said = smithers("approve")
    assert (said.code, said.err) == (0, "")
    assert "The request is stored, and takes effect when the run is resumed." in said.out
    assert f"smithers up {FLOWS}:approval --run-id release-1 --resume" in said.out
    assert "publish was approved by ada; this takes effect when the run is resumed." in smithers("inspect").out
    assert run_flow("approval", "release-1", mode=StartMode.RESUME) is RunStatus.FINISHED
    assert outputs("release-1")["publish"]["decided_by"] == "ada"


def test_the_command_that_is_printed_resumes_the_run(smithers: Smithers) -> None:
    run_flow("approval", "release-1")
    said = smithers("approve")
    command = said.out.splitlines()[-1].split()
    assert command[0] == "smithers"
    resumed = finish(start(*command[1:]))
    assert resumed.code == 0, resumed.err


def test_of_several_approvals_one_must_be_named(smithers: Smithers) -> None:
    run_flow("approvals", "release-1")
    said = smithers("deny")
    assert (said.code, said.out) == (4, "")
    assert said.err == (
        "smithers: 2 approvals of run 'release-1' wait for a decision.\n"
        "  Name one:\n"
        "    smithers deny release-1 --node left\n"
        "    smithers deny release-1 --node right\n"
    )
    assert smithers("deny", "--node", "right").code == 0
    assert "Approved left" in smithers("approve").out  # one is left, so it needs no name


def test_what_waits_besides_is_told_with_its_command(smithers: Smithers) -> None:
    run_flow("approvals", "release-1")
    said = smithers("approve", "--node", "left")
    assert "right asks: Take the right one?\n  smithers approve release-1 --node right\n" in said.out


def test_the_same_decision_again_changes_nothing(smithers: Smithers) -> None:
    run_flow("approvals", "release-1")
    smithers("approve", "--node", "left", "--note", "first")
    assert smithers("approve", "--node", "left", "--note", "second").code == 0
    run_flow("approvals", "release-1", mode=StartMode.RESUME)
    again = smithers("approve", "--node", "left", "--note", "third")
    assert again.code == 0
    assert ", so nothing has changed. The run is " in again.out
    granted = smithers("events", "release-1", "--types", "ApprovalGranted", "--json").out.splitlines()
    assert [json.loads(line)["note"] for line in granted] == ["first"]


@pytest.mark.parametrize("is_applied", [False, True])
def test_a_decision_again_needs_no_node_either(smithers: Smithers, is_applied: bool) -> None:  # noqa: FBT001
    run_flow("approvals", "release-1")
    smithers("approve", "--node", "right")
    smithers("approve", "--node", "left")
    if is_applied:
        run_flow("approvals", "release-1", mode=StartMode.RESUME)
    again = smithers("approve", "release-1")
    assert (again.code, again.err) == (0, "")
    other = smithers("deny", "release-1")
    assert other.code == 4
    assert "Node 'left' was already approved by ada" in other.err


@pytest.mark.parametrize("is_applied", [False, True])
def test_another_decision_hears_who_was_first_and_when(smithers: Smithers, is_applied: bool) -> None:  # noqa: FBT001
    run_flow("approvals", "release-1")
    smithers("approve", "--node", "left", "--by", "eve", "--note", "first!")
    if is_applied:
        run_flow("approvals", "release-1", mode=StartMode.RESUME)
    said = smithers("deny", "--node", "left")
    assert (said.code, said.out) == (4, "")
    assert "Node 'left' was already approved by eve, at 20" in said.err
    assert said.err.splitlines()[0].endswith(": first!.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--node", "nope"), "has no node 'nope'"),
        (("--node", "publish", "--iteration", "7"), "is not waiting for a decision"),
        (("--node", "make"), "is not waiting for a decision"),
        (("--iteration", "0"), "--iteration needs --node."),
        (("--node", "publish", "--iteration", "-1"), "'-1' is not a whole number (0 or more)."),
        (("--node", "publish", "--iteration", "9" * 30), "is not a whole number (0 or more)."),
        (("--decision", "{a"), "is not valid JSON"),
        (("--decision", "NaN"), "NaN is not a JSON number"),
        (("--decision", '"\\ud800"'), "half a surrogate pair"),
        (("--decision", '{"a":1,"a":2}'), "appears twice"),
        (("--decision", "[" * 101 + "]" * 101), "nested deeper"),
        (("--note", "\udcff"), "The value of --note is not UTF-8."),
        (("--by", "\udcff"), "The value of --by is not UTF-8."),
        (("--node", "\udcff"), "The value of --node is not UTF-8."),
    ],
)
def test_what_cannot_be_a_decision_is_refused(smithers: Smithers, arguments: tuple[str, ...], message: str) -> None:
    run_flow("approval", "release-1")
    said = smithers("approve", *arguments)
    assert (said.code, said.out) == (4, "")
    assert message in said.err
    assert "publish asks: Publish it?" in smithers("inspect").out  # and it still waits


def test_a_run_that_waits_for_nobody_says_so(smithers: Smithers) -> None:
    run_flow("quick", "release-1")
    said = smithers("approve", "release-1")
    assert said.code == 4
    assert "Run 'release-1' has no pending approval." in said.err


def test_who_decides_is_the_login_name(smithers: Smithers, monkeypatch: pytest.MonkeyPatch) -> None:
    run_flow("approvals", "release-1")
    assert "as ada." in smithers("approve", "--node", "left").out

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert "as uid " in smithers("approve", "--node", "right").out


def test_a_decision_of_an_interrupted_run_is_kept(smithers: Smithers) -> None:
    with driving("approval", "release-1", RunStatus.WAITING_APPROVAL) as process:
        kill(process)
        said = smithers("approve")
    assert said.code == 0
    assert "The request is stored, and takes effect when the run is resumed." in said.out
    assert "No process is driving the run" in said.out


@pytest.mark.slow
def test_of_many_decisions_at_once_one_is_applied_and_the_others_hear_of_it() -> None:
    run_flow("approval", "release-1")
    verbs = ["approve", "deny"] * 4
    racing = [start(verb, "--node", "publish", "--by", f"person-{i}") for i, verb in enumerate(verbs)]
    said = [finish(process) for process in racing]
    assert sorted(one.code for one in said) == [0, *[4] * 7]
    [winner] = [i for i, one in enumerate(said) if one.code == 0]
    for i, one in enumerate(said):
        assert i == winner or f" by person-{winner}, at " in one.err
    assert run_flow("approval", "release-1", mode=StartMode.RESUME).is_final


def test_a_timer_is_fired_where_the_run_is_driven(smithers: Smithers) -> None:
    with driving("overnight", "release-1", RunStatus.WAITING_TIMER) as process:
        said = smithers("fire", "rel", "next morning")
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("Fired next morning of run release-1 as ada. The run is ")
        assert process.wait(60) == 0
    again = smithers("fire", "release-1", "next morning", "--by", "bob")
    assert (again.code, again.err) == (0, "")
    assert "next morning of run release-1 was already fired, so nothing has changed. The run is finished" in again.out
    assert '"firedBy":"ada"' in smithers("events", "release-1", "--types", "TimerFired", "--json").out


def test_a_timer_that_is_fired_where_nobody_drives_fires_when_the_run_goes_on(smithers: Smithers) -> None:
    run_flow("overnight", "release-1")
    assert (
        "The request is stored, and takes effect when the run is resumed."
        in smithers("fire", "release-1", "next morning").out
    )
    assert (
        "next morning was fired by ada; this takes effect when the run is resumed."
        in smithers("inspect", "release-1").out
    )
    assert run_flow("overnight", "release-1", mode=StartMode.RESUME).is_final


def test_a_signal_is_delivered_where_the_run_is_driven(smithers: Smithers) -> None:
    with driving("order", "release-1", RunStatus.WAITING_EVENT) as process:
        assert "pay  waiting-event" in smithers("inspect", "release-1").out
        assert "waits for signal paid (INV-7), until " in smithers("inspect", "release-1").out
        said = smithers("signal", "rel", "paid", "--key", "INV-7", "--data", '{"amount": 7}')
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("Sent paid to run release-1 as ada. The run is ")
        assert process.wait(60) == 0
    received = smithers("events", "release-1", "--types", "SignalReceived", "--json").out
    assert '"data":{"amount":7}' in received
    assert '"sentBy":"ada"' in received


def test_a_signal_that_is_sent_where_nobody_drives_is_received_when_the_run_goes_on(smithers: Smithers) -> None:
    run_flow("order", "release-1")
    said = smithers("signal", "release-1", "paid", "--key", "INV-7", "--data", "7", "--by", "bob")
    assert "Sent paid to run release-1 as bob. It is stored, and received when the run is resumed." in said.out
    assert "A signal was sent by bob; the run receives it when it is resumed." in smithers("inspect", "release-1").out
    assert run_flow("order", "release-1", mode=StartMode.RESUME).is_final


def test_data_that_are_no_json_are_not_sent(smithers: Smithers) -> None:
    run_flow("order", "release-1")
    said = smithers("signal", "release-1", "paid", "--data", "{")
    assert (said.code, said.out) == (4, "")
    assert "The value of --data is not valid JSON" in said.err


def test_waits_are_listed_with_the_commands_that_end_them(smithers: Smithers) -> None:
    run_flow("order", "release-1")
    said = smithers("waits", "release-1")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("pay waits for signal paid (INV-7), until ")
    assert "  smithers signal release-1 paid --key INV-7" in said.out
    (wait,) = smithers("waits", "release-1", "--json").document
    assert (wait["kind"], wait["endedBy"]) == ("signal", ["POST /signal/paid"])
    run_flow("overnight", "night")
    assert "  smithers fire night 'next morning'" in smithers("waits", "night").out
    run_flow("approval", "ask")
    asked = smithers("waits", "ask").out
    assert "publish asks: Publish it?, for " in asked
    assert "  smithers deny ask --node publish" in asked
    smithers("cancel", "ask")
    assert "Run ask waits for nothing. It is cancelled." in smithers("waits", "ask").out


def test_what_is_not_a_timer_is_not_fired(smithers: Smithers) -> None:
    run_flow("approval", "release-1")
    said = smithers("fire", "release-1", "publish")
    assert (said.code, said.out) == (4, "")
    assert "Node 'publish' of run 'release-1' is not a timer that is waiting." in said.err
    assert smithers("fire", "release-1", "nope").code == 4


def test_cancel_ends_a_run_that_nobody_drives(smithers: Smithers) -> None:
    run_flow("approvals", "release-1")
    said = smithers("cancel")
    assert (said.code, said.err) == (0, "")
    assert "Run release-1 is cancelled." in said.out
    assert smithers("inspect", "release-1", "--json").document["status"] == "cancelled"


def test_cancel_ends_a_run_that_another_process_drives(smithers: Smithers) -> None:
    with driving("approvals", "release-1", RunStatus.WAITING_APPROVAL) as process:
        said = smithers("cancel", "rel")
        assert (said.code, said.err) == (0, "")
        assert process.wait(60) == 2
    assert smithers("inspect", "release-1", "--json").document["status"] == "cancelled"


def test_a_run_that_has_ended_cannot_be_cancelled(smithers: Smithers) -> None:
    run_flow("quick", "release-1")
    said = smithers("cancel", "release-1")
    assert (said.code, said.out) == (4, "")
    assert "Run 'release-1' has ended (finished)." in said.err


def test_deciding_needs_neither_a_web_server_nor_rich(place: Path) -> None:
    run_flow("approval", "release-1")
    program = (
        "import sys\nfrom smithersd.cli import main\ntry:\n    main(['approve'])\nfinally:\n"
        "    print(sorted({'aiohttp', 'rich', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    assert done.stdout.splitlines()[-1] == "[]"

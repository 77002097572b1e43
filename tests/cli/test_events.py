"""events."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smithersd.core.log.states import RunStatus
from smithersd.store import Store
from tests.cli.conftest import Said, driving, finish, in_store, run_flow, start
from tests.support.waiting import DEADLINE_S

Smithers = Callable[..., Said]


def log_of(run_id: str) -> list[dict[str, Any]]:
    """The log as the store has it, each event with its seq."""

    async def read(store: Store) -> list[dict[str, Any]]:
        return [{"seq": row.seq} | json.loads(row.payload) for row in await store.events(run_id, after_seq=-1)]

    found: list[dict[str, Any]] = in_store(read)
    return found


def lines_of(said: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.out.splitlines()]


def test_json_has_each_event_as_it_is_stored_with_its_seq(smithers: Smithers) -> None:
    run_flow("quick", "run-1")
    assert lines_of(smithers("events", "run-1", "--json")) == log_of("run-1")


def test_people_get_a_line_for_each_event(smithers: Smithers) -> None:
    run_flow("failing", "run-1")
    lines = smithers("events", "run-1").out.splitlines()
    assert len(lines) == len(log_of("run-1"))
    assert lines[0].split()[0] == "0"
    assert lines[0].endswith("run started: failing")
    assert "run failed: ZeroDivisionError: task 'divide' failed: division by zero (tests/cli/flows.py:" in lines[-1]
    assert any(line.endswith("divide started (attempt 2)") for line in lines)


def test_after_types_and_node_choose_events(smithers: Smithers) -> None:
    run_flow("quick", "run-1")
    log = log_of("run-1")
    assert lines_of(smithers("events", "run-1", "--json", "--after", "3")) == log[4:]
    assert lines_of(smithers("events", "run-1", "--json", "--after", "9999")) == []
    chosen = lines_of(smithers("events", "run-1", "--json", "--types", "NodeStarted, RunFinished"))
    assert chosen == [event for event in log if event["type"] in {"NodeStarted", "RunFinished"}]
    chosen = lines_of(smithers("events", "run-1", "--json", "--node", "say"))
    assert chosen == [event for event in log if event.get("nodeId") == "say"]
    assert chosen


def test_an_unknown_type_is_an_error_that_lists_near_ones(smithers: Smithers) -> None:
    run_flow("quick", "run-1")
    said = smithers("events", "run-1", "--types", "RunStarted,NodeFinishd")
    assert (said.code, said.out) == (4, "")
    assert "There is no event type 'NodeFinishd'." in said.err
    assert "Did you mean NodeFinished" in said.err
    assert "The types are ApprovalDenied" in smithers("events", "run-1", "--types", "xyz").err


def test_an_unknown_node_is_an_error_that_lists_near_ones(smithers: Smithers) -> None:
    run_flow("quick", "run-1")
    said = smithers("events", "run-1", "--node", "maek")
    assert (said.code, said.out) == (4, "")
    assert "Run 'run-1' has no node 'maek'." in said.err
    assert "Did you mean make?" in said.err
    assert "`smithers inspect run-1` lists its nodes." in smithers("events", "run-1", "--node", "zzz").err


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 40])
def test_after_must_be_a_seq(smithers: Smithers, after: str) -> None:
    run_flow("quick", "run-1")
    said = smithers("events", "run-1", "--after", after)
    assert (said.code, said.out) == (4, "")
    assert f"'{after}' is not a whole number (0 or more)." in said.err


def test_following_goes_on_until_the_run_has_ended(smithers: Smithers) -> None:
    with driving("counting", "run-1", RunStatus.WAITING_APPROVAL) as process:
        with start("events", "-f", "--json", stderr=None) as following:
            assert following.stdout is not None
            first = json.loads(following.stdout.readline())
            assert smithers("approve").code == 0
            rest = [json.loads(line) for line in following.stdout]
            assert following.wait(DEADLINE_S) == 0
        assert process.wait(DEADLINE_S) == 0
    assert [first, *rest] == log_of("run-1")


def test_following_a_run_that_has_ended_ends_at_once(smithers: Smithers) -> None:
    run_flow("quick", "run-1")
    assert smithers("events", "run-1", "-f", "--json").out == smithers("events", "run-1", "--json").out


@pytest.mark.parametrize("buffering", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_following_says_when_nobody_drives_the_run(smithers: Smithers, buffering: dict[str, str]) -> None:
    run_flow("approvals", "run-1")
    with start("events", "-f", env={**os.environ, **buffering}) as following:
        assert following.stderr is not None
        assert following.stdout is not None
        said = following.stderr.readline()
        assert smithers("cancel").code == 0
        assert following.wait(DEADLINE_S) == 0
        assert following.stdout.read().splitlines()[-1].endswith("run cancelled")
    assert said == "No process is driving the run: it was suspended. New events are printed once it is resumed.\n"


def test_a_reader_that_leaves_is_no_fault() -> None:
    run_flow("counting", "run-1")
    for command in (["events", "run-1", "--json"], ["inspect", "run-1"], ["ps", "--all"]):
        # Nobody reads: the very first write fails.
        with start(*command) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.wait(DEADLINE_S) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""


def test_a_full_disk_is_said() -> None:
    run_flow("quick", "run-1")
    with Path("/dev/full").open("w") as full:
        said = finish(start("events", "run-1", stdout=full))
    assert said.code == 1
    assert said.err == "smithers: The output cannot be written: no space is left on the device.\n"


def test_a_pipe_gets_whole_plain_lines() -> None:
    run_flow("approval", "a-run-with-a-rather-long-name-that-no-narrow-terminal-can-hold-in-a-line-of-its-own")
    narrow = {"COLUMNS": "20", "LINES": "5", "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    for command in ("ps", "inspect"):
        said = finish(start(command, env={**os.environ, **narrow}))
        assert "\x1b" not in said.out
        assert any(len(line) > 120 for line in said.out.splitlines())


def test_interrupting_a_follower_ends_it_with_130() -> None:
    run_flow("approvals", "run-1")
    with start("events", "-f", stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(2)
        assert process.wait(DEADLINE_S) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()

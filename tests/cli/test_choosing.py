"""Which run is meant, and where it is kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import FLOWS, Said, finish, run_flow, start

Smithers = Callable[..., Said]

ON_A_RUN = ("inspect", "events", "cancel", "approve", "deny")


def test_a_unique_prefix_is_enough(smithers: Smithers) -> None:
    run_flow("quick", "release-1")
    run_flow("quick", "other-1")
    assert smithers("inspect", "rel", "--json").document["runId"] == "release-1"


def test_a_whole_id_is_meant_though_others_begin_with_it(smithers: Smithers) -> None:
    run_flow("quick", "release-1")
    run_flow("quick", "release-10")
    assert smithers("inspect", "release-1", "--json").document["runId"] == "release-1"


@pytest.mark.parametrize("command", ON_A_RUN)
def test_an_ambiguous_prefix_lists_the_runs(smithers: Smithers, command: str) -> None:
    run_flow("approvals", "release-1")
    run_flow("quick", "release-2")
    said = smithers(command, "release")
    assert (said.code, said.out) == (4, "")
    assert said.err == (
        "smithers: 2 runs have ids that begin with 'release'.\n"
        "  Name one:\n"
        "    release-2  (finished)\n"
        "    release-1  (suspended)\n"
    )


def test_the_only_live_run_needs_no_name(smithers: Smithers) -> None:
    run_flow("quick", "ended-1")
    run_flow("approvals", "live-1")
    assert smithers("inspect", "--json").document["runId"] == "live-1"


def test_several_live_runs_are_listed(smithers: Smithers) -> None:
    run_flow("approvals", "live-1")
    run_flow("approvals", "live-2")
    said = smithers("approve", "--node", "left")
    assert said.code == 4
    assert "2 runs are live." in said.err
    assert "live-1  (suspended)" in said.err
    assert "live-2  (suspended)" in said.err


@pytest.mark.parametrize("command", ["cancel", "approve", "deny", "serve"])
def test_without_a_live_run_an_act_says_what_to_type(smithers: Smithers, command: str) -> None:
    run_flow("quick", "ended-1")
    said = smithers(command)
    assert said.code == 4
    assert "No run is live." in said.err
    assert "smithers ps --all" in said.err
    assert "smithers up WORKFLOW.py" in said.err


@pytest.mark.parametrize(
    ("command", "seen"), [("inspect", "ended-2"), ("events", "run finished"), ("logs", "in a log")]
)
def test_without_a_live_run_who_only_looks_sees_the_newest(
    smithers: Smithers, place: Path, command: str, seen: str
) -> None:
    run_flow("quick", "ended-1")
    run_flow("quick", "ended-2")
    log = place / ".smithers" / "runs" / "ended-2" / "log"
    log.parent.mkdir(parents=True)
    log.write_text("in a log\n")
    done = finish(start(command))
    assert (done.code, done.err) == (0, "No run is live; showing the newest, ended-2.\n")
    assert seen in done.out
    assert finish(start(command, "ended-2")).err == ""


def test_the_newest_is_told_to_machines_as_pure_json(smithers: Smithers) -> None:
    run_flow("quick", "ended-1")
    run_flow("quick", "ended-2")
    assert smithers("inspect", "--json").document["runId"] == "ended-2"
    assert all(json.loads(line)["runId"] == "ended-2" for line in smithers("events", "--json").out.splitlines())


@pytest.mark.parametrize("name", ["nope", "", "%", "release_1"])
def test_a_run_that_does_not_exist_is_an_error(smithers: Smithers, name: str) -> None:
    run_flow("quick", "release-1")
    said = smithers("inspect", name)
    assert said.code == 4
    assert f"There is no run {name!r}." in said.err


@pytest.mark.parametrize("command", [*ON_A_RUN, "ps"])
def test_a_missing_store_is_said_and_not_made(smithers: Smithers, place: Path, command: str) -> None:
    said = smithers(command)
    assert (said.code, said.out) == (4, "")
    assert f"There is no store at '{place / '.smithers' / 'smithers.db'}'." in said.err
    assert list(place.iterdir()) == []


def test_the_store_is_found_from_a_folder_below(
    smithers: Smithers, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_flow("quick", "release-1")
    below = place / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert smithers("inspect", "release-1").code == 0
    assert list(below.iterdir()) == []


ACTS = (
    ("approve", "--node", "left"),
    ("deny", "--node", "left"),
    ("cancel",),
    ("down",),
    ("prune", "--older-than", "1d"),
)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act[0])
def test_an_act_says_which_state_folder_it_used_unless_it_is_that_of_the_working_directory(
    smithers: Smithers, place: Path, monkeypatch: pytest.MonkeyPatch, act: tuple[str, ...]
) -> None:
    run_flow("approvals", "release-1")
    here = smithers(*act)
    assert (here.code, here.err) == (0, "")
    smithers("cancel", "release-1")
    run_flow("approvals", "release-2")
    below = place / "src"
    below.mkdir()
    monkeypatch.chdir(below)
    said = smithers(*act)
    assert (said.code, said.err) == (0, f"State folder: {place / '.smithers'}\n")


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_the_state_folder_can_be_named_by_flag_and_by_environment(
    smithers: Smithers, place: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    kept = place / "kept"
    named = ("--state-folder", "kept") if how == "flag" else ()
    if how == "environment":
        monkeypatch.setenv("SMITHERS_DIR", str(kept))
    up = finish(start("up", f"{FLOWS}:approval", "--run-id", "release-1", "--no-wait", *named))
    assert up.code == 3, up.err
    assert up.err == f"State folder: {kept}\n"
    assert f"--state-folder {kept}" in up.out  # so that the commands it prints can be pasted
    assert not (place / ".smithers").exists()
    assert "release-1" in smithers("ps", *named).out
    said = smithers("approve", *named)
    assert (said.code, said.err) == (0, f"State folder: {kept}\n")


@pytest.mark.parametrize(
    "command", ["up", "down", "serve", "approve", "cancel", "ps", "inspect", "events", "logs", "prune"]
)
def test_every_command_on_runs_takes_a_state_folder(smithers: Smithers, command: str) -> None:
    assert "--state-folder DIR" in smithers(command, "--help").out


def test_a_store_can_be_named_by_flag_and_by_environment(
    smithers: Smithers, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_flow("approvals", "release-1")
    (place / ".smithers").rename(place / "kept")
    url = f"sqlite:///{place / 'kept' / 'smithers.db'}"
    assert smithers("ps").code == 4
    said = smithers("ps", "--store", url)
    assert "release-1" in said.out
    assert f"--store {url}" in said.out  # so that the commands it prints can be pasted
    monkeypatch.setenv("SMITHERS_STORE", url)
    assert "release-1" in smithers("ps").out


@pytest.mark.parametrize("url", ["notes.txt", "mysql://host/db", "sqlite:///"])
def test_what_is_no_store_is_said(smithers: Smithers, place: Path, url: str) -> None:
    text = "these are notes, long enough to have a header that is none of SQLite's\n" * 20
    (place / "notes.txt").write_text(text)
    said = smithers("ps", "--store", url)
    assert (said.code, said.out) == (4, "")
    assert said.err.startswith("smithers: ")
    assert "Traceback" not in said.err
    assert (place / "notes.txt").read_text() == text

"""Which run is meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said, run_flow

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
    run_flow("gates", "release-1")
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
    run_flow("gates", "live-1")
    assert smithers("inspect", "--json").document["runId"] == "live-1"


def test_several_live_runs_are_listed(smithers: Smithers) -> None:
    run_flow("gates", "live-1")
    run_flow("gates", "live-2")
    said = smithers("approve", "--node", "left")
    assert said.code == 4
    assert "2 runs are live." in said.err
    assert "live-1  (suspended)" in said.err
    assert "live-2  (suspended)" in said.err


def test_without_a_live_run_it_says_what_to_type(smithers: Smithers) -> None:
    run_flow("quick", "ended-1")
    said = smithers("inspect")
    assert said.code == 4
    assert "No run is live." in said.err
    assert "smithers ps --all" in said.err
    assert "smithers up WORKFLOW.py" in said.err


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


def test_a_store_can_be_named_by_flag_and_by_environment(
    smithers: Smithers, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_flow("gates", "release-1")
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

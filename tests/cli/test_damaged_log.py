"""A damaged log is refused where the damage is, by whoever reads it; no resumption goes on with it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import FLOWS, finish, start

APPROVAL = f"{FLOWS}:approval"

# As processes: in this one every store is checked when it is closed.
INSPECT = ("inspect", "r")
EVENTS = ("events", "r")
RESUME = ("up", APPROVAL, "--run-id", "r", "--resume")


@pytest.fixture
def started_seq(place: Path) -> int:
    """A run that waits for a person; the seq at which a node of it has started."""
    assert finish(start("up", APPROVAL, "--run-id", "r", "--no-wait")).code == 3
    with closing(_store(place)) as store:
        seq: int
        (seq,) = store.execute("SELECT seq FROM events WHERE type = 'NodeStarted'").fetchone()
    return seq


def _store(place: Path) -> sqlite3.Connection:
    return sqlite3.connect(place / ".smithers" / "smithers.db")


def _assert_is_refused(command: tuple[str, ...], seq: int, why: str) -> None:
    said = finish(start(*command))  # in this process every store is checked when it is closed
    assert said.code == 4
    assert f"The log of run 'r' is damaged at seq {seq}: {why}" in said.err
    assert "Restore the store from a backup." in said.err


def test_a_log_that_lost_an_event_is_refused(place: Path, started_seq: int) -> None:
    with closing(_store(place)) as store, store:
        store.execute("DELETE FROM events WHERE seq = ?", (started_seq,))
    for command in (INSPECT, RESUME):
        _assert_is_refused(command, started_seq + 1, f"seq {started_seq} was expected.")


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ('{"type":"Node', "the event is not valid JSON."),
        ('{"type":"NodeVanished"}', "there is no event type 'NodeVanished'."),
        ('["NodeStarted"]', "the event is not valid"),
    ],
    ids=["cut", "unknown", "no object"],
)
def test_an_event_that_cannot_be_read_is_refused(place: Path, started_seq: int, payload: str, why: str) -> None:
    with closing(_store(place)) as store, store:
        store.execute("UPDATE events SET payload = ? WHERE seq = ?", (payload, started_seq))
    for command in (INSPECT, EVENTS, (*EVENTS, "--json"), RESUME):
        _assert_is_refused(command, started_seq, why)

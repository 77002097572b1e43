"""smithers backup: one state of the store while a run is driven, from which the run goes on."""

import sqlite3

import pytest

from tests.support.place import Place

FLOW = """
    @workflow
    def flow(ctx):
        return Sequence(
            Shell("once", "echo x >> once"),
            Shell("busy", "while [ ! -e go ]; do sleep 0.02; done"),
            Approval("deploy"),
        )
    """


@pytest.mark.slow
def test_a_copy_of_a_driven_store_is_whole_private_and_the_run_goes_on_from_it(place: Place) -> None:
    place.write(FLOW)
    driver = place.up("--run-id", "r")
    driver.until_text("busy started")
    code, text = place.run("backup", "copy.db")
    assert (code, "Wrote" in text) == (0, True), text
    copy = place.folder / "copy.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    driver.kill()

    (place.folder / "go").touch()
    store = ("--store", "sqlite:///copy.db")
    resumed = place.up("--run-id", "r", "--resume", *store)
    resumed.until_text("deploy asks")
    assert place.run("approve", "r", *store)[0] == 0
    assert resumed.wait() == 0, resumed.text
    assert place.lines("once") == ["x"], "what the copy has as done is not done again"


def test_a_backup_overwrites_nothing_and_leaves_nothing_half_written(place: Place) -> None:
    place.write(FLOW)
    (place.folder / "go").touch()
    assert place.run("up", "flow.py", "--run-id", "r", "--no-wait")[0] == 3
    precious = place.folder / "precious"
    precious.write_text("mine")

    code, text = place.run("backup", "precious")
    assert (code, "exists already" in text) == (4, True), text
    assert precious.read_text() == "mine"
    code, text = place.run("backup", "nowhere/copy.db")
    assert (code, "cannot be written" in text) == (4, True), text


def test_there_is_no_backup_of_a_store_that_does_not_exist(place: Place) -> None:
    code, text = place.run("backup", "copy.db")
    assert (code, "There is no store" in text) == (4, True), text
    assert not (place.folder / "copy.db").exists()

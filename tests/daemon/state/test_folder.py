"""Where state lies, and who may look at it."""

import os
from pathlib import Path

import pytest

from smithersd.daemon.state.folder import StateFolder, find_state_folder, searched


def test_the_nearest_state_folder_up_the_tree_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".smithers").mkdir()
    inner = tmp_path / "project" / "flows"
    inner.mkdir(parents=True)
    assert find_state_folder(inner).path == tmp_path / ".smithers"
    (tmp_path / "project" / ".smithers").mkdir()
    assert find_state_folder(inner).path == tmp_path / "project" / ".smithers"


def test_the_search_ends_at_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".smithers").mkdir()
    home = tmp_path / "home"
    inner = home / "project"
    inner.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    assert find_state_folder(inner).path == inner / ".smithers"
    (home / ".smithers").mkdir()
    assert find_state_folder(inner).path == home / ".smithers"


def test_the_search_ends_where_another_file_system_begins() -> None:
    shared = Path("/dev/shm")
    if not os.path.ismount(shared):
        pytest.skip("no file system is mounted at /dev/shm")
    assert list(searched(shared / "project" / "flows")) == [shared / "project" / "flows", shared / "project", shared]


def test_without_one_it_is_to_be_made_where_we_are() -> None:
    nowhere = Path("/no-such-folder-at-all")
    assert find_state_folder(nowhere).path == nowhere / ".smithers"


def test_a_file_of_that_name_is_no_state_folder(tmp_path: Path) -> None:
    (tmp_path / ".smithers").mkdir()
    inner = tmp_path / "project"
    inner.mkdir()
    (inner / ".smithers").write_text("")
    assert find_state_folder(inner).path == tmp_path / ".smithers"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".smithers").mkdir()
    planted = tmp_path / "shared" / ".smithers"
    planted.mkdir(parents=True)
    os.chown(planted, 65_534, 65_534)
    assert find_state_folder(tmp_path / "shared").path == tmp_path / ".smithers"


def test_every_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    run = StateFolder(tmp_path / ".smithers").run("r").make()
    for folder in (run.path, run.path.parent, run.path.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700

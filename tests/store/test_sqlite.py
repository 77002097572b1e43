"""What only a file has: permissions, descriptors in forked children, disks that fill up, other openers."""

import asyncio
import os
import re
import signal
import sqlite3
import stat
import tempfile
from pathlib import Path

import pytest

from smithersd.errors import StoreInvalid, StoreUnavailable
from smithersd.store import open_store
from smithersd.store.sqlite.connection import DIALECT
from smithersd.store.statements import statements
from tests.store.processes import child
from tests.store.rows import begin, event, step


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_files_are_0600_in_a_folder_that_is_0700(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with open_store(folder / "runs.db") as store:
        await store.commit(begin())
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == ["runs.db", "runs.db-shm", "runs.db-wal"]
        assert {mode(file) for file in files} == {0o600}
        assert mode(folder) == 0o700


@pytest.mark.parametrize("url", ["sqlite:///{path}", "{path}"])
async def test_a_file_is_named_by_url_or_path(tmp_path: Path, url: str) -> None:
    path = tmp_path / "a b%20.db"
    async with open_store(url.format(path=path)) as store:
        assert store.url == f"sqlite:///{path}"
    assert path.exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "", "mysql://host/db", "sqlite://host/db", "a\0b"])
async def test_a_url_that_names_no_store_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(StoreInvalid) as caught:
        async with open_store(url):
            pass
    assert "sqlite:///" in str(caught.value.remedy)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 1_000)
    with pytest.raises(StoreInvalid, match=r"notes.txt"):
        async with open_store(path):
            pass
    assert path.read_text() == "my notes\n" * 1_000


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreInvalid, match="cannot be opened"):
        async with open_store(tmp_path / "file" / "runs.db"):
            pass


@pytest.mark.parametrize("exists", [False, True])
async def test_a_place_that_may_not_be_written_is_refused(*, exists: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="smithersd-test-") as name:
        folder = Path(name)
        if exists:
            (folder / "runs.db").touch(0o444)
        folder.chmod(0o555)
        async with child("unprivileged", folder / "runs.db") as other:
            answer = await other.line()
        assert answer.startswith("STORE_INVALID: ")
        assert str(folder / "runs.db") in answer
        folder.chmod(0o700)


async def test_a_full_disk_refuses_and_takes_the_same_commit_once_there_is_room(tmp_path: Path) -> None:
    async with child("fill", tmp_path / "runs.db") as other:
        answer = await other.line()
    assert answer["refused"].startswith("STORE_UNAVAILABLE: The SQLite store refused: ")
    assert answer["last_seq"] == answer["seq"] > 1


async def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    async with open_store(tmp_path / "runs.db") as store:
        await store.commit(begin())
        other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        committing = asyncio.ensure_future(store.commit(step("run-1", event(1))))
        assert (await store.run("run-1")).last_seq == 0, "a reader waits for nobody"
        assert not committing.done()
        other.execute("COMMIT")
        other.close()
        await committing


async def test_a_second_opening_in_one_process_leaves_the_first_its_locks(tmp_path: Path) -> None:
    """Another process that opens and closes the file must not take itself for its last user and drop the log."""
    path = tmp_path / "runs.db"
    async with open_store(path) as store:
        await store.commit(begin())
        async with open_store(path) as second:
            await second.check()
        for seq in (1, 2):
            await store.commit(step("run-1", event(seq)))
            async with child("read", path, "run-1") as other:
                assert await other.line() == seq


async def test_a_file_that_is_moved_away_takes_no_renewal_until_it_is_back(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "runs.db", tmp_path / "elsewhere.db"
    async with open_store(path) as store:
        await store.commit(begin())
        path.rename(elsewhere)
        for asking in (store.check(), store.renew_lease("run-1", 1)):
            with pytest.raises(StoreUnavailable, match=r"runs\.db' was deleted or moved away"):
                await asking
        elsewhere.rename(path)
        await store.check()
        await store.renew_lease("run-1", 1)


async def test_a_file_that_another_has_replaced_takes_no_renewal(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    async with open_store(tmp_path / "other.db"):
        pass
    async with open_store(path) as store:
        await store.commit(begin())
        (tmp_path / "other.db").replace(path)
        for asking in (store.check(), store.renew_lease("run-1", 1)):
            with pytest.raises(StoreUnavailable, match="was replaced by another file"):
                await asking


async def test_reading_a_file_that_is_gone_makes_no_new_one(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    async with open_store(path) as store:
        await store.commit(begin())
        path.unlink()
        with pytest.raises(StoreUnavailable):
            await store.run("run-1")
    assert not path.exists()


async def test_a_name_that_a_url_would_read_otherwise_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "50%20 #1?mode=ro&x=\udcff.db"
    async with open_store(path) as store:
        await store.commit(begin())
        assert (await store.run("run-1")).run_id == "run-1"
    assert path.exists()


async def test_a_closed_store_says_so_instead_of_waiting(tmp_path: Path) -> None:
    async with open_store(tmp_path / "runs.db") as store:
        pass
    for asking in (store.check(), store.commit(begin())):
        with pytest.raises(StoreUnavailable, match="closed"):
            await asking


async def test_a_forked_worker_holds_nothing_of_the_store(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    async with child("fork", link / "runs.db") as other:
        told = await other.line()
        try:
            assert {Path(name).name for name in told["here"]} >= {"runs.db", "runs.db-wal"}
            assert told["there"] == []
            other.process.send_signal(signal.SIGKILL)
            await other.process.wait()
            async with open_store(link / "runs.db") as store:
                await store.commit(step("run-1", event(1)))
        finally:
            os.kill(told["worker"], signal.SIGKILL)


def test_parameters_are_named_since_some_pythons_warn_of_numbered_ones() -> None:
    marks = {mark for text in statements(DIALECT).values() for mark in re.findall(r"\?|:\w*", text.sql)}
    assert marks >= {":run_id", ":fence"}
    assert all(re.fullmatch(r":[a-z_]+", mark) for mark in marks)

"""A store that refuses: the run pauses, what runs goes on, nothing new starts, and it goes on by itself."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smithersd import Sequence, Store, Task, Workflow, workflow
from smithersd.core.log.states import RunStatus
from smithersd.engine import Engine, local_driver, start_run
from smithersd.errors import StoreUnavailable
from smithersd.store.sqlite import connection as sqlite
from smithersd.store.statements import Statement, Transaction
from tests.support.runs import run, story
from tests.support.waiting import DEADLINE_S, until_async


class Disk:
    """The disk of a store, which can be full."""

    def __init__(self, connect: Callable[[Path], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connections: list[sqlite3.Connection] = []

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a file as the store does."""
        connection = self._connect(path)
        self._connections.append(connection)
        return connection

    async def fill(self, store: Store) -> None:
        """Let the file grow no more: every page that a write needs beyond those that it has is refused."""
        await self._set_page_limit(store, 1)  # SQLite raises this to the size that the file has

    async def free(self, store: Store) -> None:
        """Let it grow again."""
        await self._set_page_limit(store, 1_000_000)

    async def _set_page_limit(self, store: Store, pages: int) -> None:
        def transaction() -> Transaction[None]:
            yield Statement("ping")
            writer = next(one for one in reversed(self._connections) if one.in_transaction)
            writer.execute(f"PRAGMA max_page_count = {pages}")

        await store.database.write(transaction())


async def driven_to_full_disk(
    flow: Workflow[Any], store: Store, disk: Disk, may_end: asyncio.Event
) -> tuple[Engine, asyncio.Task[RunStatus]]:
    """Drive a run to where what its first task returns cannot be written."""
    engine = await start_run(flow, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_async(lambda: bool(engine.live_keys))
    await disk.fill(store)
    may_end.set()
    await until_async(lambda: engine.problem is not None)
    return engine, driving


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """What the store of a test writes to, from its opening on."""
    made = Disk(sqlite.connect)
    monkeypatch.setattr(sqlite, "connect", made.connect)
    return made


async def test_the_run_pauses_and_goes_on_by_itself_when_there_is_room_again(
    disk: Disk, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    big = "x" * 200_000
    may_end = asyncio.Event()
    done: list[str] = []

    async def writes() -> str:
        await may_end.wait()
        done.append("a")
        return big

    async def goes_on() -> str:
        done.append("b")
        return "b"

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("a", writes), Task("b", goes_on))

    engine, driving = await driven_to_full_disk(flow, store, disk, may_end)
    driver = local_driver(store.url, "r")
    assert driver is not None
    assert "full" in (driver.problem or ""), "this is what /ready tells"
    assert done == ["a"], "what runs goes on, nothing new starts"
    assert "NodeFinished a" not in await story(store)
    assert "the store is not available, the run waits for it" in caplog.text
    await disk.free(store)
    async with asyncio.timeout(DEADLINE_S):
        assert await driving is RunStatus.FINISHED
    assert engine.problem is None
    assert done == ["a", "b"]
    assert "is available again" in caplog.text


async def test_a_driver_that_is_told_to_stop_does_not_wait_for_a_full_disk(disk: Disk, store: Store) -> None:
    big = "x" * 200_000
    may_end = asyncio.Event()

    async def writes() -> str:
        await may_end.wait()
        return big

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", writes)

    engine, driving = await driven_to_full_disk(flow, store, disk, may_end)
    engine.request_suspend("test")
    with pytest.raises(StoreUnavailable):
        await driving
    await disk.free(store)
    assert (await run(flow, store)).status is RunStatus.FINISHED, "nothing stands in the way of the next driver"

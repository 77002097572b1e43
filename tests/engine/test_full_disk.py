"""A store that refuses: the run pauses, what runs goes on, nothing new starts, and it goes on by itself."""

import asyncio
from typing import Any

import pytest

from smithersd import Sequence, Store, Task, workflow
from smithersd.core.log.states import RunStatus
from smithersd.engine import local_driver, start_run
from smithersd.errors import StoreUnavailable
from smithersd.store.statements import Statement, Transaction
from tests.support.runs import run, story
from tests.support.waiting import DEADLINE_S, until_async


async def fill_the_disk(store: Store) -> None:
    """Let the file grow no more: every page that a write needs beyond those that it has is refused."""
    await _set_page_limit(store, 1)  # SQLite raises this to the size that the file has


async def free_the_disk(store: Store) -> None:
    await _set_page_limit(store, 1_000_000)


async def _set_page_limit(store: Store, pages: int) -> None:
    writer: Any = store._database._writer

    def transaction() -> Transaction[None]:
        yield Statement("ping")
        writer._connection.execute(f"PRAGMA max_page_count = {pages}")

    await store._database.write(transaction())


async def test_the_run_pauses_and_goes_on_by_itself_when_there_is_room_again(
    store: Store, caplog: pytest.LogCaptureFixture
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

    engine = await start_run(flow, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_async(lambda: bool(engine._live))
    await fill_the_disk(store)
    may_end.set()
    await until_async(lambda: engine.problem is not None)
    driver = local_driver(store.url, "r")
    assert driver is not None
    assert "full" in (driver.problem or ""), "this is what /ready tells"
    assert done == ["a"], "what runs goes on, nothing new starts"
    assert "NodeFinished a" not in await story(store)
    assert "the store refuses, the run waits" in caplog.text
    await free_the_disk(store)
    async with asyncio.timeout(DEADLINE_S):
        assert await driving is RunStatus.FINISHED
    assert engine.problem is None
    assert done == ["a", "b"]
    assert "takes writes again" in caplog.text


async def test_a_driver_that_is_told_to_stop_does_not_wait_for_a_full_disk(store: Store) -> None:
    big = "x" * 200_000
    may_end = asyncio.Event()

    async def writes() -> str:
        await may_end.wait()
        return big

    @workflow
    def flow(_: Any) -> Any:
        return Task("a", writes)

    engine = await start_run(flow, store=store, run_id="r")
    driving = asyncio.create_task(engine.drive())
    await until_async(lambda: bool(engine._live))
    await fill_the_disk(store)
    may_end.set()
    await until_async(lambda: engine.problem is not None)
    engine.request_suspend("test")
    with pytest.raises(StoreUnavailable):
        await driving
    await free_the_disk(store)
    assert (await run(flow, store)).status is RunStatus.FINISHED, "nothing stands in the way of the next driver"

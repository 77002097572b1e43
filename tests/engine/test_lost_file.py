"""A SQLite file that is deleted or moved beneath a run: what would be written into it is lost, so the run waits.

Its log and that log's index count as much as the database itself.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from smithersd import Sequence, Task, open_store, workflow
from smithersd.core.log.states import RunStatus
from smithersd.engine import start_run
from tests.support.waiting import DEADLINE_S, until_async

LEASE_S = 0.3
"""Renewed three times as often, and looked after then."""


@pytest.mark.parametrize("name", ["runs.db", "runs.db-wal", "runs.db-shm"])
async def test_the_run_waits_while_a_file_of_its_store_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path, elsewhere = tmp_path / name, tmp_path / "elsewhere"
    may_end = asyncio.Event()
    done: list[str] = []

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("a", may_end.wait), Task("b", done.append, "b"))

    async with open_store(tmp_path / "runs.db", lease_s=LEASE_S) as store:
        engine = await start_run(flow, store=store, run_id="r")
        driving = asyncio.create_task(engine.drive())
        await until_async(lambda: bool(engine.live_keys))
        path.rename(elsewhere)
        await until_async(lambda: engine.problem is not None)
        assert "was deleted or moved away" in (engine.problem or "")
        may_end.set()
        elsewhere.rename(path)
        async with asyncio.timeout(DEADLINE_S):
            assert await driving is RunStatus.FINISHED
        assert done == ["b"]
    assert "the store is not available, the run waits for it" in caplog.text
    assert "is available again" in caplog.text

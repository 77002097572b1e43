"""The server of a process that has a run in hand, before that run is taken up."""

import asyncio
from pathlib import Path

import aiohttp

from smithersd import Store, open_store
from smithersd.daemon.options import ServeOptions
from smithersd.daemon.serving import served


async def test_a_process_is_not_ready_before_its_run_is_taken_up(tmp_path: Path) -> None:
    async with open_store(tmp_path / "runs.db") as store:
        await _check_readiness(store)


async def _check_readiness(store: Store) -> None:
    is_settled = asyncio.Event()
    serving = served(
        ServeOptions(port=0),
        sockets=(),
        workflow_name="flow",
        store=store,
        run_id="r",
        abort=asyncio.Event(),
        warn=lambda _: None,
        is_settled=is_settled,
    )
    async with serving as url, aiohttp.ClientSession() as client:

        async def status(path: str) -> int:
            async with client.get(url + path) as response:
                return response.status

        assert (await status("/health"), await status("/ready")) == (200, 503)
        is_settled.set()
        assert (await status("/health"), await status("/ready")) == (200, 200)

"""Many signals at once from another process: each is received once, and none is lost."""

import asyncio
import sys
from typing import Any

from smithersd import Approval, Sequence, Signal, Store, workflow
from smithersd.core.log import events
from smithersd.core.log.states import RunStatus
from tests.support.backends import Backend
from tests.support.runs import RUN_ID, decide, driven, events_of, outputs, until_state
from tests.support.waiting import DEADLINE_S

COUNT = 1_000
SENDER = f"""
import asyncio, sys
from smithersd import open_store
from smithersd.client import StoredRun

async def main():
    async with open_store(sys.argv[1]) as store:
        run = StoredRun(store, {RUN_ID!r})
        numbers = iter(range({COUNT}))

        async def send():
            for number in numbers:
                await run.signal("s", number)

        await asyncio.gather(*(send() for _ in range(100)))

asyncio.run(main())
"""


@workflow
def flow(_: Any) -> Any:
    return Sequence(Approval("ok"), *(Signal(f"s{number}", int, name="s") for number in range(10)))


async def test_each_of_many_signals_from_another_process_is_received_once(store: Store, backend: Backend) -> None:
    async with driven(flow, store) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        sender = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER, backend.url)
        async with asyncio.timeout(DEADLINE_S):
            assert await sender.wait() == 0
        received = [one.data for one in await events_of(store, events.SignalReceived)]
        assert sorted(received) == list(range(COUNT)), "it was answered, so it is in the log"
        await decide(store, "ok")
        assert await driving is RunStatus.FINISHED
    taken = await outputs(store)
    assert [taken[f"s{number}"] for number in range(10)] == received[:10]

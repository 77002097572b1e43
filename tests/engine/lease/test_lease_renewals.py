"""A driver renews its lease for as long as it lives, whatever wakes it and however slow its store is."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd import Approval, open_store, workflow
from smithersd.engine import start_run
from smithersd.limits import LEASE_RENEWALS, LEASE_S
from smithersd.store.records import Topic
from tests.engine.lease.loops import LeapingLoop
from tests.support.mortal import MortalStore

INTERVAL_S = LEASE_S / LEASE_RENEWALS
SLOWEST_S = 2 * INTERVAL_S
END_S = 20 * INTERVAL_S

delays_s = st.floats(0, SLOWEST_S)


class SlowStore(MortalStore):
    """A store whose inbox takes a while to be read, as long as it was drawn; it notes when the lease is renewed."""

    def __init__(self, store: Any, draw: Callable[[], float]) -> None:
        super().__init__(store)
        self.renewed_at_s: list[float] = []
        self._draw = draw
        self._wake_inbox: Callable[[], None] | None = None

    def subscribe(self, run_id: str, topic: Topic, wake: Callable[[], None]) -> Callable[[], None]:
        if topic is Topic.REQUESTS:
            self._wake_inbox = wake
        return super().subscribe(run_id, topic, wake)

    def wake_inbox(self) -> None:
        """Tell the driver that somebody may have asked for something, as the database does."""
        assert self._wake_inbox is not None
        self._wake_inbox()

    async def renew_lease(self, run_id: str, fence: int) -> None:
        self.renewed_at_s.append(asyncio.get_running_loop().time())
        await self._counted(super().renew_lease(run_id, fence))

    async def driver_requests(self, run_id: str, fence: int) -> Any:
        await asyncio.sleep(self._draw())
        return await super().driver_requests(run_id, fence)


@workflow
def waits(_: Any) -> Any:
    return Approval("approval")


async def renewals(path: Path, wakes_s: list[float], reads_s: list[float]) -> list[float]:
    """Drive a run that waits, and wake it after these times; return when its lease was renewed."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    drawn = iter(reads_s)
    async with open_store(path) as store:
        slow = SlowStore(store, lambda: next(drawn, 0.0))
        loop.is_busy = lambda: slow.calls_under_way > 0
        engine = await start_run(waits, store=slow, run_id="r")
        began_at_s = loop.time()
        driving = asyncio.create_task(engine.drive())
        for wake_s in wakes_s:
            await asyncio.sleep(wake_s)
            slow.wake_inbox()
        await asyncio.sleep(END_S - sum(wakes_s))
        ended_at_s = loop.time()
        engine.request_suspend("test")
        await driving
        loop.is_busy = lambda: True  # the end of the loop's threads is waited for in real time
        return [began_at_s, *slow.renewed_at_s, ended_at_s]


@given(
    wakes_s=st.lists(st.floats(0, 2 * INTERVAL_S), max_size=8),
    reads_s=st.lists(delays_s, max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_the_time_between_renewals_is_bounded_whatever_wakes_the_driver(
    wakes_s: list[float], reads_s: list[float]
) -> None:
    with (
        TemporaryDirectory(prefix="smithersd-test-") as folder,
        asyncio.Runner(loop_factory=LeapingLoop) as runner,
    ):
        times_s = runner.run(renewals(Path(folder) / "s.db", wakes_s, reads_s))
    gaps_s = [after - before for before, after in pairwise(times_s)]
    assert max(gaps_s) <= INTERVAL_S + SLOWEST_S + 0.001

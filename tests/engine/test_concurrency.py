"""Never more at once than allowed, and never less than possible."""

import asyncio
from typing import Any

from smithersd import Parallel, Store, Task, workflow
from smithersd.core.log.states import RunStatus
from smithersd.engine import RunOptions
from tests.support.runs import run


class Crowd:
    """Counts how many are inside at once; each waits until as many are there as can be."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.inside = self.most = 0
        self.full = asyncio.Event()

    async def visit(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == self.expected:
            self.full.set()
        await self.full.wait()
        self.inside -= 1


async def test_a_run_runs_four_attempts_at_once_by_default(store: Store) -> None:
    crowd = Crowd(4)

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(*(Task(f"n{i}", crowd.visit) for i in range(9)))

    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert crowd.most == 4


async def test_the_decorator_wins_over_the_default_and_the_flag_over_the_decorator(store: Store) -> None:
    crowd = Crowd(6)

    @workflow(max_concurrency=2)
    def flow(_: Any) -> Any:
        return Parallel(*(Task(f"n{i}", crowd.visit) for i in range(9)))

    assert (await run(flow, store, options=RunOptions(max_concurrency=6))).status is RunStatus.FINISHED
    assert crowd.most == 6


async def test_a_parallel_holds_back_its_own_children_only(store: Store) -> None:
    inside, outside = Crowd(2), Crowd(3)

    @workflow(max_concurrency=5)
    def flow(_: Any) -> Any:
        return Parallel(
            Parallel(*(Task(f"in{i}", inside.visit) for i in range(5)), max_concurrency=2),
            *(Task(f"out{i}", outside.visit) for i in range(5)),
        )

    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert inside.most == 2
    assert outside.most >= 3

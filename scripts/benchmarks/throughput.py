"""Steps a second, ours beside the bare loop's: turn about, so that both meet the same weather."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Figure, Target, at_least
from benchmarks.grounds import Ground, SqliteGround
from benchmarks.workflows import at_once, one_after_another, run_s
from smithersd import Workflow

WIDTH = 16


async def measure(*, is_quick: bool, ground: Ground | None = None) -> AsyncIterator[Figure]:
    """Sequential steps against one commit each, and 16 at once against group commit."""
    count, rounds = (200, 3) if is_quick else (1_000, 7)
    compared = _Comparison(ground or SqliteGround(), count, rounds)
    async for figure in compared.figures("sequential", lambda: one_after_another(count), 1, at_least(0.4)):
        yield figure
    async for figure in compared.figures(f"{WIDTH} at once", lambda: at_once(count, WIDTH), WIDTH, at_least(0.25)):
        yield figure


@dataclass(frozen=True, slots=True)
class _Comparison:
    ground: Ground
    count: int
    rounds: int

    async def figures(
        self, name: str, workflow: Callable[[], Workflow[Any]], ends_per_commit: int, target: Target
    ) -> AsyncIterator[Figure]:
        ours, bare = [], []
        for _ in range(self.rounds):
            async with self.ground.empty() as url:
                ours.append(self.count / await run_s(workflow(), url))
                bare.append(self.count / await self.ground.bare_s(url, ends_per_commit=ends_per_commit))
        yield Figure(f"{name}: bare loop", bare, "steps/s")
        yield Figure(f"{name}: smithersd", ours, "steps/s")
        yield Figure(f"{name}: share of the limit", [a / b for a, b in zip(ours, bare, strict=True)], "", target)

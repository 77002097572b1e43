"""Steps a second, ours beside the bare loop's: turn about, so that both meet the same weather."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from benchmarks.bare import recording_of, write_s
from benchmarks.figures import Figure, Target, at_least
from benchmarks.workflows import at_once, folder, one_after_another, run_s
from smithersd import Workflow, open_store

WIDTH = 16


async def measure(*, is_quick: bool) -> AsyncIterator[Figure]:
    """Sequential steps against one commit each, and 16 at once against group commit."""
    count, rounds = (200, 3) if is_quick else (1_000, 7)
    async for figure in _compared("sequential", lambda: one_after_another(count), count, rounds, 1, at_least(0.4)):
        yield figure
    async for figure in _compared(
        f"{WIDTH} at once", lambda: at_once(count, WIDTH), count, rounds, WIDTH, at_least(0.25)
    ):
        yield figure


async def _compared(
    name: str, workflow: Callable[[], Workflow[Any]], count: int, rounds: int, ends_per_commit: int, target: Target
) -> AsyncIterator[Figure]:
    ours, bare = [], []
    for _ in range(rounds):
        with folder() as path:
            ours.append(count / await run_s(workflow(), path / "smithers.db"))
            bare.append(count / await _bare_s(path, ends_per_commit))
    yield Figure(f"{name}: bare loop", bare, "steps/s")
    yield Figure(f"{name}: smithersd", ours, "steps/s")
    yield Figure(f"{name}: share of the limit", [a / b for a, b in zip(ours, bare, strict=True)], "", target)


async def _bare_s(path: Path, ends_per_commit: int) -> float:
    async with open_store(path / "bare.db"):
        pass  # the same tables, and nothing in them
    return write_s(path / "bare.db", recording_of(path / "smithers.db", ends_per_commit=ends_per_commit))

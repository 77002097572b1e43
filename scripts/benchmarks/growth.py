"""What a step costs in a long plan against a short one: nothing may grow with the plan."""

from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.figures import Figure, at_most
from benchmarks.workflows import folder, one_after_another, run_s


async def measure(*, is_quick: bool) -> AsyncIterator[Figure]:
    """Time and bytes a step at 5,000 nodes against 500."""
    short, long, rounds = (100, 1_000, 2) if is_quick else (500, 5_000, 3)
    times, sizes = [], []
    for _ in range(rounds):
        short_s, short_bytes = await _per_step(short)
        long_s, long_bytes = await _per_step(long)
        times.append(long_s / short_s)
        sizes.append(long_bytes / short_bytes)
    yield Figure(f"a step at {long:,} nodes against {short}: time", times, "times", at_most(1.3))
    yield Figure(f"a step at {long:,} nodes against {short}: bytes", sizes, "times", at_most(1.15))


async def _per_step(count: int) -> tuple[float, float]:
    with folder() as path:
        store = path / "smithers.db"
        empty = await _empty_bytes(path / "empty.db")
        taken_s = await run_s(one_after_another(count), store)
        return taken_s / count, (store.stat().st_size - empty) / count


async def _empty_bytes(path: Path) -> int:
    await run_s(one_after_another(1), path)
    return path.stat().st_size

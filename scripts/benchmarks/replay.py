"""How fast a new client gets a long history."""

from collections.abc import AsyncIterator
from time import perf_counter

from benchmarks.figures import Figure, at_most
from benchmarks.served import follow, serving_of
from benchmarks.workflows import at_once, folder, run_s
from smithersd import open_store

_EVENTS_PER_NODE = 3


async def measure(*, is_quick: bool) -> AsyncIterator[Figure]:
    """From the client's request to the end of the stream; each client is the first of a new server."""
    count, rounds = (1_000, 2) if is_quick else (10_000, 7)
    steps = at_once(count // _EVENTS_PER_NODE, width=16)
    taken = []
    with folder() as path:
        await run_s(steps, path / "smithers.db")
        for _ in range(rounds):
            async with open_store(path / "smithers.db") as store, serving_of(steps, store) as client:
                seen: list[int] = []
                begun = perf_counter()
                await follow(client, seen.append)
                taken.append(perf_counter() - begun)
                assert seen == list(range(len(seen)))
                assert len(seen) >= count
    yield Figure(f"{count:,} events to a new client", taken, "s", at_most(0.3))

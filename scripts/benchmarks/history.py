"""How fast a new client gets a long history from PostgreSQL, beside a bare handler that reads and writes the same."""

from collections.abc import AsyncIterator
from time import perf_counter

from aiohttp import ClientSession, ClientTimeout, web

from benchmarks.bare_postgres import connected
from benchmarks.figures import Figure, at_least
from benchmarks.grounds import Ground
from benchmarks.served import follow, serving_of
from benchmarks.workflows import RUN_ID, at_once, run_s
from smithersd import open_store
from smithersd.serve.transport.server import serving

_EVENTS_PER_NODE = 3
_PAGE = (
    "SELECT seq, payload FROM smithers_events "
    "WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT 1000"
)  # fmt: skip


async def measure(*, is_quick: bool, ground: Ground) -> AsyncIterator[Figure]:
    """From the client's request to the end of the stream; each client is the first of a new server."""
    count, rounds = (3_000, 2) if is_quick else (100_000, 5)
    steps = at_once(count // _EVENTS_PER_NODE, width=64)
    ours, bare = [], []
    async with ground.empty() as url:
        await run_s(steps, url)
        for _ in range(rounds):
            async with open_store(url) as store, serving_of(steps, store) as client:
                ours.append(count / await _taken_s(client, count))
            bare.append(count / await _bare_s(url, count))
    yield Figure(f"{count:,} events: bare loop", bare, "events/s")
    yield Figure(f"{count:,} events: smithersd", ours, "events/s")
    yield Figure(
        f"{count:,} events: share of the limit", [a / b for a, b in zip(ours, bare, strict=True)], "", at_least(0.4)
    )


async def _taken_s(client: ClientSession, count: int) -> float:
    seen: list[int] = []
    begun = perf_counter()
    await follow(client, seen.append)
    taken = perf_counter() - begun
    assert seen == list(range(len(seen)))
    assert len(seen) >= count
    return taken


async def _bare_s(url: str, count: int) -> float:
    async with connected(url) as connection:

        async def events(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            after = -1
            while rows := await connection.fetch(_PAGE, RUN_ID, after):
                text = "".join(f"event: smithers\ndata: {payload}\nid: {seq}\n\n" for seq, payload in rows)
                await response.write(text.encode())
                after = rows[-1][0]
            return response

        app = web.Application()
        app.router.add_get("/events", events)
        async with (
            serving(app, "127.0.0.1", 0) as server,
            ClientSession(server.url, timeout=ClientTimeout(total=None), read_bufsize=2**20) as client,
        ):
            return await _taken_s(client, count)

"""A run in this process with a server beside it, and a client that reads its stream over a real socket."""

from asyncio import Event
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from benchmarks.workflows import RUN_ID
from smithersd import Store, Workflow, create_serve_app, open_store
from smithersd.engine import Engine, start_run
from smithersd.serve.transport.server import serving


@dataclass(frozen=True, slots=True)
class Served:
    """A run that is begun and served, and a client's session for it."""

    engine: Engine
    client: ClientSession


@asynccontextmanager
async def served(workflow: Workflow[Any], path: Path) -> AsyncIterator[Served]:
    """Begin a run and serve it; who asked drives the engine."""
    async with open_store(path) as store, serving_of(workflow, store) as client:
        yield Served(await start_run(workflow, store=store, run_id=RUN_ID), client)


@asynccontextmanager
async def serving_of(workflow: Workflow[Any], store: Store) -> AsyncIterator[ClientSession]:
    """Serve the run of a store on a free port."""
    app = create_serve_app(workflow, store=store, run_id=RUN_ID, abort=Event())
    async with (
        serving(app, "127.0.0.1", 0) as server,
        ClientSession(server.url, timeout=ClientTimeout(total=None), read_bufsize=2**20) as client,
    ):
        yield client


async def follow(client: ClientSession, on_seq: Callable[[int], None]) -> None:
    """Read the stream to its end; tell each event's seq at the moment it is there."""
    async with client.get("/events") as stream:
        async for line in stream.content:
            if line.startswith(b"id: "):
                on_seq(int(line[4:]))

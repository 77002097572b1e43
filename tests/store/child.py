"""What the tests let another process do with a store: `python -m tests.store.child VERB URL ARGUMENT ...`.

Each verb prints one line of JSON. It prints "ready" first, and goes on when its stdin has a line.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from smithersd.errors import SmithersError
from smithersd.store import Store, open_store
from smithersd.store.records import Commit, Topic
from tests.store.rows import begin, decision, event, step

_UNPRIVILEGED = 65_534


async def decide(url: str, run_id: str, node_id: str, by: str, count: str) -> Any:
    """`count` people decide about one approval at once."""

    async def one(store: Store, name: str) -> dict[str, Any]:
        try:
            await store.submit_decision(*decision(node_id, run_id=run_id, by=name))
        except SmithersError as error:
            return {"by": name, "code": error.code, "winner": (error.details or {}).get("decidedBy")}
        return {"by": name, "code": None, "winner": name}

    async with open_store(url) as store:
        await _go()
        return await asyncio.gather(*(one(store, f"{by}-{i}") for i in range(int(count))))


async def decide_all(url: str, run_id: str, count: str) -> Any:
    """Decide about the approvals approval-0, approval-1 ..., one after the other, as fast as the store takes it."""
    async with open_store(url) as store:
        await _go()
        for i in range(int(count)):
            await store.submit_decision(*decision(f"approval-{i}", run_id=run_id))
    return "done"


async def commit(url: str, run_id: str, seq: str) -> Any:
    """Commit one event."""
    async with open_store(url) as store:
        await _go()
        await store.commit(step(run_id, event(int(seq))))
    return "done"


async def take(url: str, run_id: str) -> Any:
    """Take the run from its driver."""
    async with open_store(url) as store:
        await _go()
        await store.take_lease(run_id, "{}", is_dead=lambda _: True)
    return "done"


async def follow(url: str, run_id: str) -> Any:
    """Wait until woken, and tell the last seq."""
    woken = asyncio.Event()
    async with open_store(url) as store:
        store.subscribe(run_id, Topic.EVENTS, woken.set)
        await _go()
        while (row := await store.run(run_id)).last_seq == 0:
            await woken.wait()
            woken.clear()
        return row.last_seq


async def read(url: str, run_id: str) -> Any:
    """Tell the last seq."""
    async with open_store(url) as store:
        return (await store.run(run_id)).last_seq


async def migrate(url: str) -> Any:
    """Open the store, and make it if need be."""
    await _go()
    async with open_store(url) as store:
        await store.check()
    return "done"


async def fill(url: str) -> Any:
    """Commit until the disk is full (files may not grow further), then again once there is room."""
    async with open_store(url) as store:
        await store.commit(begin())
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, hard))
        seq, refused = 1, ""
        while not refused:
            try:
                await store.commit(_large(seq))
                seq += 1
            except SmithersError as error:
                refused = f"{error.code}: {error}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await store.commit(_large(seq))
        return {"refused": refused, "seq": seq, "last_seq": (await store.run("run-1")).last_seq}


def _large(seq: int) -> Commit:
    return step("run-1", event(seq, payload="x" * 100_000))


async def unprivileged(url: str) -> Any:
    """Open the store as somebody who may not write there."""
    await asyncio.to_thread(int)  # so that nothing is left to import for which the right might be missing
    if os.getuid() == 0:
        os.setuid(_UNPRIVILEGED)
    try:
        async with open_store(url):
            return "opened"
    except SmithersError as error:
        return f"{error.code}: {error}"


async def fork(url: str) -> Any:
    """Tell which of the store's files a forked worker has open; it stays alive until it is killed."""
    folder = str(Path(url.removeprefix("sqlite:///")).resolve().parent)
    async with open_store(url) as store:
        await store.commit(begin())
        pool = ProcessPoolExecutor(1, mp_context=get_context("fork"), initializer=_leave_pipes)
        ours = pool.submit(_open_files, folder).result()
        _say({"pid": os.getpid(), "worker": ours[0], "here": _open_files(folder)[1], "there": ours[1]})
        await asyncio.Event().wait()


async def fork_sockets(url: str) -> Any:
    """Tell how many sockets we have to the server, and a forked worker; it stays alive until it is killed."""
    port = urlsplit(url).port
    assert port is not None
    async with open_store(url) as store:
        await store.commit(begin())
        await store.check()
        pool = ProcessPoolExecutor(1, mp_context=get_context("fork"), initializer=_leave_pipes)
        worker, there = pool.submit(_connections, port).result()
        _say({"worker": worker, "here": _connections(port)[1], "there": there})
        await asyncio.Event().wait()


def _connections(port: int) -> tuple[int, int]:
    """Our pid, and how many of our sockets lead to a port."""
    process = psutil.Process()
    return os.getpid(), sum(bool(one.raddr) and one.raddr.port == port for one in process.net_connections("tcp"))


def _leave_pipes() -> None:
    """Let those who wait for our end not wait for the worker's too."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for pipe in (0, 1, 2):
        os.dup2(nowhere, pipe)


def _open_files(folder: str) -> tuple[int, list[str]]:
    targets = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return os.getpid(), [target for target in targets if target.startswith(folder)]


async def _go() -> None:
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - how it answers


_VERBS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    verb.__name__: verb
    for verb in (decide, decide_all, commit, take, follow, read, migrate, fill, unprivileged, fork, fork_sockets)
}

if __name__ == "__main__":
    _say(asyncio.run(_VERBS[sys.argv[1]](*sys.argv[2:])))

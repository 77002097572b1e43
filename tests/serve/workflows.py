"""Workflows that the tests serve, in this process or in another one.

python -m tests.serve.workflows STORE RUN_ID NAME     drives a run to its end; killed, it leaves it as it is
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from smithersd import Approval, Context, Parallel, Sequence, Task, Workflow, open_store, run_workflow, workflow
from smithersd.elements import Element
from smithersd.engine import Engine, RunOptions, StartMode, start_run
from smithersd.store import Store


def build() -> dict[str, Any]:
    return {"artifact": "almanac-1.0.tar.gz", "bytes": 4_096}


async def ship(built: dict[str, Any]) -> str:
    return f"shipped {built['artifact']}"


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ValueError("no luck")


@workflow
def release(ctx: Context[Any]) -> Element[Any]:
    built = Task("build", build, label="Build it")
    approval = Approval("approval", title="Ship it?", show=built, metadata={"risk": "low"})
    return Sequence(built, approval, Task("ship", ship, built))


@workflow
def endless(ctx: Context[Any]) -> Element[Any]:
    return Parallel(Task("wait", wait_for_ever), Task("done", build))


@workflow
def backing_off(ctx: Context[Any]) -> Element[Any]:
    return Task("flaky", fail, retries=3, retry_delay=3_600)


@workflow
def approvals(ctx: Context[Any]) -> Element[Any]:
    asking = [Approval(f"approval/{number} ü%", on_deny="continue") for number in range(3)]
    return Sequence(Parallel(*asking, Task("beside", build)), Task("ship", build))


WORKFLOWS: dict[str, Workflow[Any]] = {one.name: one for one in (release, endless, backing_off, approvals)}


@asynccontextmanager
async def driven(source: Workflow[Any], store: Store, run_id: str = "run-1") -> AsyncIterator[Engine]:
    """Drive a run in this process while the `with` lasts; it is suspended after that if it has not ended."""
    engine = await start_run(source, store=store, run_id=run_id, options=RunOptions(mode=StartMode.EITHER))
    driving = asyncio.create_task(engine.drive())
    try:
        yield engine
    finally:
        engine.request_suspend("stopped")
        await driving


async def main(url: str, run_id: str, name: str) -> None:
    async with open_store(url) as store:
        await run_workflow(WORKFLOWS[name], store=store, run_id=run_id)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

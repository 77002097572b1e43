"""Small things that tests of runs share: reading a log, waiting for what it will say, answering approvals."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from smithersd import Store, Workflow
from smithersd.core.log.event_json import decode
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeRecord
from smithersd.core.log.states import RunStatus
from smithersd.elements import Decision
from smithersd.engine import Engine, RunOptions, StartMode, start_run
from smithersd.engine.run_options import DEFAULT_OPTIONS
from smithersd.query.stored_log import read_state
from smithersd.store.records import Submitted
from tests.support.clocks import StillClock
from tests.support.mortal import Died, MortalStore, bury
from tests.support.waiting import DEADLINE_S, until_async

RUN_ID = "r"

no_renewal = pytest.mark.parametrize("store", [3_600.0], indirect=True, ids=["no-renewal"])
"""Mark a test whose driver must hear of something by itself: a renewal of its lease would tell it, too late."""


async def log(store: Store, run_id: str = RUN_ID) -> list[Recorded]:
    """Everything that has happened."""
    return [Recorded(r.seq, r.timestamp_ms, decode(r.payload)) for r in await store.events(run_id, after_seq=-1)]


async def story(store: Store, run_id: str = RUN_ID) -> list[str]:
    """The log in short: "NodeStarted a", frames and new nodes left out."""
    told = [(type(one.event).__name__, getattr(one.event, "node_id", "")) for one in await log(store, run_id)]
    return [f"{name} {node_id}".strip() for name, node_id in told if name not in {"FrameCommitted", "NodePending"}]


async def events_of(store: Store, event_class: type, run_id: str = RUN_ID) -> list[Any]:
    """All events of one class."""
    return [one.event for one in await log(store, run_id) if isinstance(one.event, event_class)]


async def outputs(store: Store, run_id: str = RUN_ID) -> dict[str, Any]:
    """The outputs of a run's nodes, by node id."""
    return {row.node_id: json.loads(row.output) for row in await store.outputs(run_id)}


async def node(store: Store, node_id: str, run_id: str = RUN_ID) -> NodeRecord:
    """A node as the log tells it."""
    return (await read_state(store, run_id)).nodes[node_id, 0]


async def until_state(store: Store, predicate: Callable[[RunState], bool], run_id: str = RUN_ID) -> RunState:
    """Wait until the durable log says something."""

    async def as_wanted() -> RunState | None:
        state = await read_state(store, run_id)
        return state if predicate(state) else None

    return await until_async(as_wanted)


async def decide(store: Store, node_id: str, *, is_approval: bool = True, by: str | None = None) -> Submitted:
    """A person answers."""
    decision = Decision(approved=is_approval, decided_by=by, decided_at_ms=1)
    return await store.submit_decision(RUN_ID, node_id, None, decision)


async def _started(
    workflow: Workflow[Any], store: Store, *, options: RunOptions = DEFAULT_OPTIONS, **arguments: Any
) -> Engine:
    """Start the run, or resume it where its log ends."""
    options = replace(options, mode=StartMode.EITHER)
    return await start_run(workflow, store=store, run_id=RUN_ID, options=options, **arguments)


@asynccontextmanager
async def driven(workflow: Workflow[Any], store: Store, **arguments: Any) -> Any:
    """A run under way; it is suspended when the block is left before its end."""
    engine = await _started(workflow, store, **arguments)
    driving = asyncio.create_task(engine.drive())
    try:
        yield engine, driving
    finally:
        engine.request_suspend("test")
        await asyncio.wait([driving])


async def run(workflow: Workflow[Any], store: Store, **arguments: Any) -> RunState:
    """Start a run, or take it up, and drive it to its end."""
    engine = await _started(workflow, store, **arguments)
    async with asyncio.timeout(DEADLINE_S):
        await engine.drive()
    return engine.state


async def crash_when(
    workflow: Workflow[Any], store: Store, condition: Callable[[Engine], bool], **arguments: Any
) -> None:
    """Drive a run in a process that dies as soon as the condition holds."""
    life = MortalStore(store)
    engine = await _started(workflow, life, **arguments)
    driving = asyncio.create_task(_dies(engine.drive()))
    await until_async(lambda: condition(engine) or driving.done())
    life.is_dead = True
    engine.request_cancel()  # anything that makes it write
    await driving
    bury(store, RUN_ID)


async def _dies(driving: Awaitable[RunStatus]) -> None:
    try:
        await driving
    except Died:
        return
    raise AssertionError("the process was to die")


__all__ = ["RUN_ID", "StillClock", "crash_when", "decide", "driven", "events_of", "log", "node", "run", "story"]

"""run_workflow: run a workflow from Python, from start to end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pydantic_core

from smithersd.core.log.states import RunStatus
from smithersd.elements import Workflow
from smithersd.engine.clock import Clock
from smithersd.engine.engine import Engine
from smithersd.engine.run_options import RunOptions, StartMode
from smithersd.engine.start import UNSET, start_run
from smithersd.errors import ErrorInfo
from smithersd.store import Store


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. `outputs` holds plain data by node id; `error` is set if the run failed.

    `result` is the output that is the workflow's result; None if there is none.
    """

    run_id: str
    status: RunStatus
    outputs: dict[str, Any]
    error: ErrorInfo | None
    result: Any = None


async def run_workflow(
    workflow: Workflow[Any],
    *,
    store: Store,
    run_id: str,
    input: Any = UNSET,
    abort: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> RunResult:
    """Start a run, or resume it if it exists, and drive it until it has ended.

    Cancelling this coroutine suspends the run, so that it can be resumed. Setting `abort` cancels the run.

    Examples:
        ```python
        async with open_store("sqlite:///runs.db") as store:
            result = await run_workflow(release, store=store, run_id="release-1", input={"version": "1.2"})
        ```

    Raises:
        UserError: the workflow, its input or the run id is not valid; nothing was written.
        RunIsDriven: another process drives the run.
        LeaseLost: another driver has taken over the run.
    """
    options = RunOptions(mode=StartMode.EITHER)
    engine = await start_run(workflow, store=store, run_id=run_id, input=input, options=options, clock=clock)
    async with _watching(abort, engine.request_cancel):
        await drive_to_end(engine)
    return await result_of(engine, store)


async def drive_to_end(engine: Engine) -> RunStatus:
    """Drive a run and return its status.

    A first cancellation of this coroutine suspends the run before it takes effect; a second one stops the engine at
    once.
    """
    driving = asyncio.ensure_future(engine.drive())
    try:
        return await asyncio.shield(driving)
    except asyncio.CancelledError:
        if driving.done():
            raise
        engine.request_suspend("stopped")
        try:
            await asyncio.shield(driving)
        except asyncio.CancelledError:
            driving.cancel()
            await asyncio.wait([driving])
            raise
        raise


@asynccontextmanager
async def _watching(abort: asyncio.Event | None, on_abort: Callable[[], None]) -> AsyncIterator[None]:
    """Call `on_abort` if the event is set during the block."""
    if abort is None:
        yield
        return

    async def watch() -> None:
        await abort.wait()
        on_abort()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])


async def result_of(engine: Engine, store: Store) -> RunResult:
    """Return how the run of an engine ended, with its outputs.

    Raises:
        StoreUnavailable: the outputs cannot be read at present.
    """
    rows = await store.outputs(engine.run_id)
    outputs = {row.node_id: pydantic_core.from_json(row.output) for row in rows}
    state = engine.state
    result = next((pydantic_core.from_json(r.output) for r in rows if (r.node_id, r.iteration) == state.result), None)
    return RunResult(engine.run_id, state.status, outputs, state.error, result)

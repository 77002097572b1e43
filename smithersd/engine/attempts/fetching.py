"""Outputs that are not in memory: read from the store for the renderings and for the attempts that need them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from smithersd.core.flow.flow import Flow
from smithersd.core.flow.outputs import lost_output
from smithersd.core.log.records import NodeKey
from smithersd.errors import ErrorInfo, InvalidOutput, StoreUnavailable
from smithersd.executors import Call, Executors, Failed, Outcome, Running, Sink, Stopped, Unreadable

ReadOutput = Callable[[NodeKey], Awaitable[str | None]]
"""Reads an output as JSON text, None where it is not there any more; raises StoreUnavailable."""

CallOf = Callable[[dict[NodeKey, str]], Call]
"""Makes the call of an attempt of the outputs that it runs with; raises InvalidOutput, ValueFailed."""


async def advance(flow: Flow, now_ms: int, read: ReadOutput) -> None:
    """Let the flow decide; outputs that its renderings read and that are not in memory are fetched for it.

    Raises:
        WorkflowError: the first rendering of a run that is taken up failed.
        StoreUnavailable: the store refused.
    """
    flow.advance(now_ms)
    await fetch_missing(flow, now_ms, read)


async def fetch_missing(flow: Flow, now_ms: int, read: ReadOutput) -> None:
    """Fetch what the flow could not go on without, and let it go on."""
    while (key := flow.missing_output) is not None:
        flow.outputs.hold(key, await read(key))
        flow.advance(now_ms)


class Fetching:
    """Attempts that begin once the outputs that they run with are read."""

    def __init__(self, executors: Executors, read: ReadOutput) -> None:
        self._executors = executors
        self._read = read
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, needed: Iterable[NodeKey], held: dict[NodeKey, str], call_of: CallOf, sink: Sink) -> Running:
        """Start an attempt, with those of its outputs that are in memory."""
        run = FetchedRun(self._executors, sink)
        task = asyncio.create_task(run.begin(lambda: self._fetched(needed, held, call_of)))
        run.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    def close(self) -> None:
        """Begin nothing any more."""
        for task in self._tasks:
            task.cancel()

    async def _fetched(self, needed: Iterable[NodeKey], held: dict[NodeKey, str], call_of: CallOf) -> Call:
        texts = dict(held)
        for key in needed:
            if key not in texts:
                text = await self._read(key)
                if text is None:
                    raise lost_output(key[0])
                texts[key] = text
        return call_of(texts)


class FetchedRun:
    """An attempt whose call is on its way; told to end before that, it ends at once."""

    task: asyncio.Task[None]

    def __init__(self, executors: Executors, sink: Sink) -> None:
        self._executors = executors
        self._sink = sink
        self._running: Running | None = None

    def stop(self) -> None:
        """End it: what has begun as it ends itself, else there is nothing to wait for."""
        if self._running is not None:
            self._running.stop()
        elif self.task.cancel():
            self._sink.ended(Stopped())

    def abandon(self) -> None:
        """Leave it behind."""
        if self._running is not None:
            self._running.abandon()
        else:
            self.task.cancel()

    async def begin(self, fetched: Callable[[], Awaitable[Call]]) -> None:
        """Wait for the call and start it."""
        outcome: Outcome
        try:
            self._running = self._executors.start(await fetched(), self._sink)
        except InvalidOutput as error:
            outcome = Unreadable(ErrorInfo.of(error))
        except StoreUnavailable:  # and the driver is about to stop
            outcome = Stopped()
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt has an end
            outcome = Failed(ErrorInfo.of(error))
        else:
            return
        self._sink.ended(outcome)

"""Read outputs that are not in memory from the store, for renderings and attempts that need them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from smithersd.core.flow.flow import Flow
from smithersd.core.flow.outputs import lost_output
from smithersd.core.flow.values import Secrets
from smithersd.core.log.records import NodeKey
from smithersd.errors import ErrorInfo, InvalidOutput, StoreUnavailable
from smithersd.executors import Call, Executors, Failed, Outcome, Running, Sink, Stopped, Unreadable
from smithersd.executors.secret_values import read_secrets

ReadOutput = Callable[[NodeKey], Awaitable[str | None]]
"""Reads an output as JSON text, or None if it was deleted; raises StoreUnavailable."""

CallOf = Callable[[dict[NodeKey, str], Secrets], Call]
"""Makes an attempt's call from the outputs and secrets that are its arguments; raises InvalidOutput, ValueFailed."""

FailureOf = Callable[[Exception], Failed]
"""Makes the outcome of an attempt of the error that has ended it."""


async def advance(flow: Flow, now_ms: int, read: ReadOutput) -> None:
    """Let the flow decide, and read the outputs that it needs and that are not in memory.

    Raises:
        WorkflowError: the first rendering of a resumed run failed.
        StoreUnavailable: the store refused to read an output.
    """
    flow.advance(now_ms)
    await fetch_missing(flow, now_ms, read)


async def fetch_missing(flow: Flow, now_ms: int, read: ReadOutput) -> None:
    """Read each output that the flow misses, and let it continue, until it misses none.

    Raises:
        WorkflowError: the first rendering of a resumed run failed.
        StoreUnavailable: the store refused to read an output.
    """
    while (key := flow.missing_output) is not None:
        flow.outputs.hold(key, await read(key))
        flow.advance(now_ms)


class Fetching:
    """Starts attempts once the outputs and secrets that are their arguments have been read."""

    def __init__(self, executors: Executors, read: ReadOutput) -> None:
        self._executors = executors
        self._read = read
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        needed: Iterable[NodeKey],
        held: dict[NodeKey, str],
        secrets: Sequence[str],
        call_of: CallOf,
        failure_of: FailureOf,
        sink: Sink,
    ) -> Running:
        """Start an attempt after reading those of the `needed` outputs that `held` lacks, and the named secrets."""
        run = FetchedRun(self._executors, failure_of, sink)
        task = asyncio.create_task(run.begin(lambda: self._fetched(needed, held, secrets, call_of)))
        run.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    def close(self) -> None:
        """Cancel the attempts that have not started yet."""
        for task in self._tasks:
            task.cancel()

    async def _fetched(
        self, needed: Iterable[NodeKey], held: dict[NodeKey, str], secrets: Sequence[str], call_of: CallOf
    ) -> Call:
        texts = dict(held)
        for key in needed:
            if key not in texts:
                text = await self._read(key)
                if text is None:
                    raise lost_output(key[0])
                texts[key] = text
        return call_of(texts, await asyncio.to_thread(read_secrets, secrets) if secrets else {})


class FetchedRun:
    """An attempt that waits for its outputs; if it is stopped before they are read, it ends at once."""

    task: asyncio.Task[None]

    def __init__(self, executors: Executors, failure_of: FailureOf, sink: Sink) -> None:
        self._executors = executors
        self._failure_of = failure_of
        self._sink = sink
        self._running: Running | None = None

    def stop(self) -> None:
        """Ask the attempt to end; if it has not started yet, end it at once."""
        if self._running is not None:
            self._running.stop()
        elif self.task.cancel():
            self._sink.ended(Stopped())

    def abandon(self) -> None:
        """Abandon the attempt; nothing more is reported."""
        if self._running is not None:
            self._running.abandon()
        else:
            self.task.cancel()

    async def begin(self, fetched: Callable[[], Awaitable[Call]]) -> None:
        """Wait for the call and start it, or report why it cannot start."""
        outcome: Outcome
        try:
            self._running = self._executors.start(await fetched(), self._sink)
        except InvalidOutput as error:
            outcome = Unreadable(ErrorInfo.of(error))
        except StoreUnavailable:  # raised only when the engine was asked to stop
            outcome = Stopped()
        except Exception as error:  # noqa: BLE001 - without an outcome the attempt would run for ever
            outcome = self._failure_of(error)
        else:
            return
        self._sink.ended(outcome)

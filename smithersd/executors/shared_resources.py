"""What all attempts of one engine share."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from smithersd.executors.call import Running
from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.output.output_buffer import FlushTimer
from smithersd.executors.pool import ThreadPool


class RegisteredRun(Running, Protocol):
    """A running attempt as the registry sees it."""

    @property
    def is_end_awaited(self) -> bool:
        """Whether its end can be awaited if it is abandoned now."""


class Registry:
    """The attempts that still run, abandoned ones included."""

    def __init__(self) -> None:
        self._runs: set[RegisteredRun] = set()
        self._has_changed = asyncio.Event()

    def __iter__(self) -> Iterator[RegisteredRun]:
        return iter(tuple(self._runs))

    def add(self, run: RegisteredRun) -> None:
        """Add an attempt that has started."""
        self._runs.add(run)

    def discard(self, run: RegisteredRun) -> None:
        """Remove an attempt of which nothing runs any more."""
        self._runs.discard(run)
        self._has_changed.set()

    async def wait_until_gone(self, runs: Iterable[RegisteredRun]) -> None:
        """Wait until none of these attempts runs any more."""
        awaited = set(runs)
        while awaited & self._runs:
            self._has_changed.clear()
            await self._has_changed.wait()


@dataclass(frozen=True, slots=True)
class SharedResources:
    """The bridge to the loop, the threads, the registry of running attempts, and the timer of output buffers.

    `capture` is the engine's `Capture`; None if what its tasks print is not captured.
    """

    bridge: LoopBridge
    pool: ThreadPool
    registry: Registry
    flush_timer: FlushTimer
    capture: object | None

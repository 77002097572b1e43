"""What all attempts of one engine share."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from smithersd.executors.call import Running
from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.output.output_buffer import FlushTimer
from smithersd.executors.pool import ThreadPool


class Owned(Running, Protocol):
    """A run as its owner sees it."""

    @property
    def ends_soon(self) -> bool:
        """Whether its end can be waited for when it is abandoned now."""


class Registry:
    """The runs that have not gone yet; also those that were left behind, until they end after all."""

    def __init__(self) -> None:
        self._runs: set[Owned] = set()
        self._has_changed = asyncio.Event()

    def __iter__(self) -> Iterator[Owned]:
        return iter(tuple(self._runs))

    def add(self, run: Owned) -> None:
        """Own a run."""
        self._runs.add(run)

    def discard(self, run: Owned) -> None:
        """Let go of a run of which nothing is left."""
        self._runs.discard(run)
        self._has_changed.set()

    async def gone(self, runs: Iterable[Owned]) -> None:
        """Wait until nothing is left of any of these runs."""
        awaited = set(runs)
        while awaited & self._runs:
            self._has_changed.clear()
            await self._has_changed.wait()


@dataclass(frozen=True, slots=True)
class SharedResources:
    """The way back to the loop, the threads, the owner of runs, the timer of buffers.

    `capture` is this engine's part in the capture of what the process's tasks print, or None where it has none.
    """

    bridge: LoopBridge
    pool: ThreadPool
    registry: Registry
    flush_timer: FlushTimer
    capture: object | None

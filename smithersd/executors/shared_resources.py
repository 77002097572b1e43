"""What all attempts of one engine share."""

from dataclasses import dataclass

from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.output.output_buffer import FlushTimer
from smithersd.executors.pool import ThreadPool
from smithersd.executors.registry import Registry


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

"""The table of executors, and the runner of an engine's attempts."""

import asyncio
from functools import partial
from typing import Any, Final

from smithersd.core.flow.work import Work
from smithersd.executors.attempt import Attempt
from smithersd.executors.call import Call, Running, Sink
from smithersd.executors.coroutine import COROUTINE
from smithersd.executors.executor import Executor
from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.output.capture import Capture
from smithersd.executors.output.mask import Mask, without_secrets
from smithersd.executors.output.output_buffer import FlushTimer
from smithersd.executors.pool import ThreadPool
from smithersd.executors.shared_resources import Registry, SharedResources
from smithersd.executors.shell.attempts import SHELL
from smithersd.executors.thread import THREAD

EXECUTORS: Final[tuple[Executor[Any], ...]] = (COROUTINE, THREAD, SHELL)
"""All executors; exactly one of them takes each piece of work."""

CLOSE_WAIT_S: Final = 0.5
"""How long `close` waits for the coroutines that it cancelled and the commands that it killed."""


class Executors:
    """Runs the attempts of one engine, and owns their threads, timers and buffers; made in the engine's loop.

    With `captures_output`, what tasks print and log goes to their sinks, until `close`.
    """

    def __init__(self, *, captures_output: bool) -> None:
        bridge = LoopBridge()
        self._capture = Capture() if captures_output else None
        self._shared = SharedResources(bridge, ThreadPool(bridge), Registry(), FlushTimer(bridge), self._capture)

    def start(self, call: Call, sink: Sink) -> Running:
        """Start an attempt; in the loop's thread. The sink is not called before this has returned."""
        mask = Mask(call.secrets) if call.secrets else None
        attempt = Attempt(call.info, sink, self._shared, call.retry, mask)
        encode = call.encode_output if mask is None else partial(without_secrets, call.encode_output, mask)
        return executor_for(call.work).begin(attempt, call.work, encode)

    async def close(self) -> None:
        """Abandon what still runs, without calling the sinks, and undo the capture.

        Author code cannot delay this: what does not end within CLOSE_WAIT_S is left to itself.
        """
        ending = [run for run in self._shared.registry if run.is_end_awaited]
        for run in self._shared.registry:
            run.abandon()
        try:
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self._shared.registry.wait_until_gone(ending)
        except TimeoutError:
            pass  # left to itself
        finally:
            self._shared.flush_timer.close()
            self._shared.pool.close()
            if self._capture is not None:
                self._capture.close()


def executor_for(work: Work) -> Executor[Any]:
    """Return the executor that takes a piece of work.

    Raises:
        TypeError: no executor takes it.
    """
    for executor in EXECUTORS:
        if executor.takes(work):
            return executor
    raise TypeError(f"No executor takes work of type {type(work).__name__}.")

"""Where the code of tasks runs: in the loop, in a thread, or in a process."""

import asyncio
from typing import Final, assert_never

from smithersd.core.flow.work import FunctionCall, ShellCall
from smithersd.executors.attempt import Attempt
from smithersd.executors.call import Call, Running, Sink
from smithersd.executors.context import current_attempt
from smithersd.executors.coroutine import CoroutineRun, is_async
from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.output.capture import Capture
from smithersd.executors.output.output_buffer import FlushTimer
from smithersd.executors.pool import ThreadPool
from smithersd.executors.shared_resources import Registry, SharedResources
from smithersd.executors.shell.attempts import begin_shell
from smithersd.executors.thread import ThreadRun

CLOSE_WAIT_S: Final = 0.5
"""How long `close` waits for what it cancelled and killed."""


class Executors:
    """Runs attempts, and owns everything that it takes to do so; one per engine, made in its loop.

    With `captures_output`, what tasks print and log is told to their sinks, until `close`.
    """

    def __init__(self, *, captures_output: bool) -> None:
        bridge = LoopBridge()
        self._capture = Capture() if captures_output else None
        self._shared = SharedResources(bridge, ThreadPool(bridge), Registry(), FlushTimer(bridge), self._capture)

    def start(self, call: Call, sink: Sink) -> Running:
        """Start an attempt; in the loop's thread. The sink hears nothing of it before this has returned."""
        attempt = Attempt(call.info, sink, self._shared)
        match call.work:
            case FunctionCall():
                return self._start_function(attempt, call.work, call)
            case ShellCall():
                return self._start_shell(attempt, call.work, call)
            case _:
                assert_never(call.work)

    async def close(self) -> None:
        """End what is left, without a word to the sinks, and undo the capture.

        Author code cannot hold this up: what does not end in time is left behind.
        """
        ending = [run for run in self._shared.registry if run.ends_soon]
        for run in self._shared.registry:
            run.abandon()
        try:
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self._shared.registry.gone(ending)
        except TimeoutError:
            pass  # left behind
        finally:
            self._shared.flush_timer.close()
            self._shared.pool.close()
            if self._capture is not None:
                self._capture.close()

    def _start_function(self, attempt: Attempt, work: FunctionCall, call: Call) -> Running:
        context = self._shared.bridge.fresh_context()
        context.run(current_attempt.set, attempt)
        if is_async(work.function):
            coroutine_run = CoroutineRun(attempt, call.encode_output)
            coroutine_run.begin(context, work)
            return coroutine_run
        thread_run = ThreadRun(attempt, work, call.encode_output)
        thread_run.begin(context)
        return thread_run

    def _start_shell(self, attempt: Attempt, work: ShellCall, call: Call) -> Running:
        # Its readers are called in the context that they are made in: the engine's, whoever calls this.
        return self._shared.bridge.fresh_context().run(begin_shell, work, attempt, call.encode_output)

"""Call from task code back into the engine: in the loop's thread, and in the engine's context."""

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any


class LoopBridge:
    """Makes calls in the event loop's thread, in the context in which the bridge was made: the engine's.

    Otherwise, whatever the engine starts when a task ends would inherit that task's context variables, and keep them
    alive for the rest of the run.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._context = copy_context()

    def fresh_context(self) -> Context:
        """Return a copy of the engine's context, for one attempt."""
        return self._context.copy()

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call a function at once; from the loop's thread only."""
        # A copy: a context cannot be entered twice, and this call may come from within another one.
        self._context.copy().run(callback, *args)

    def later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call a function after `delay_s` seconds; from the loop's thread only."""
        return self.loop.call_later(delay_s, callback, *args, context=self._context)

    def run_in_loop(self, callback: Callable[..., object], *args: Any) -> None:
        """Call a function in the loop soon; from any thread."""
        # An abandoned thread may outlive the loop; then nobody waits for the call.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *args, context=self._context)

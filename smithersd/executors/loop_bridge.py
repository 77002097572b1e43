"""The way from task code back to the engine: into the loop's thread, out of the task's context."""

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any


class LoopBridge:
    """Makes calls in the event loop's thread and in the context that the engine had when it made this.

    Without that, whatever the engine starts when a task ends would inherit the context variables of that task,
    and hold on to them for the rest of the run.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._context = copy_context()

    def fresh_context(self) -> Context:
        """A copy of the engine's context, for one attempt."""
        return self._context.copy()

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call at once; in the loop's thread only."""
        # A copy, since a context cannot be entered twice and this call may be made from within another.
        self._context.copy().run(callback, *args)

    def later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call after a while; in the loop's thread only."""
        return self.loop.call_later(delay_s, callback, *args, context=self._context)

    def run_in_loop(self, callback: Callable[..., object], *args: Any) -> None:
        """Call soon, from any thread."""
        # A thread that was left behind may outlive the loop; then there is nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *args, context=self._context)

"""Attempts that run in the event loop: async functions, and awaitables that plain functions returned."""

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeGuard, TypeVar

from smithersd.core.flow.work import FunctionCall, UnreadableArguments, Work
from smithersd.executors.attempt import Attempt
from smithersd.executors.call import Stopped, Succeeded, Unreadable
from smithersd.executors.context import context_of, current_attempt
from smithersd.executors.executor import Executor
from smithersd.executors.large_json import is_large, large_json
from smithersd.loggers import logger

T = TypeVar("T")

_log = logger(__name__)


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a call of the function makes a coroutine; partials and callable objects are looked through."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def node_of_task(task: "asyncio.Task[Any]") -> str | None:
    """Return the id of the node that an asyncio task runs for; None if it runs for none.

    Before Python 3.12 the id is None for tasks that author code has started itself.
    """
    if sys.version_info >= (3, 12):
        attempt = task.get_context().get(current_attempt)
        return None if attempt is None else attempt.info.node_id
    is_attempt = getattr(task.get_coro(), "cr_code", None) is CoroutineRun._run.__code__  # noqa: SLF001 - below
    return task.get_name() if is_attempt else None


class CoroutineRun:
    """One attempt as one task of the event loop.

    Nothing awaits that task, so author code that ignores its cancellation blocks nothing else.
    """

    __slots__ = ("_attempt", "_encode", "_has_returned", "_task", "_work", "has_started")

    def __init__(self, attempt: Attempt, encode: Callable[[Any], str]) -> None:
        self._attempt = attempt
        self._encode = encode
        self._has_returned = False
        self.has_started = False

    def start(self, context: Context, work: FunctionCall) -> None:
        """Start the task; the function is called in its first step, or once its arguments are read."""
        self._work = work
        # Not loop.create_task: an eager task factory would let the outcome arrive before this has returned.
        self._task = asyncio.Task(self._run(), name=self._attempt.info.node_id, context=context)
        self._attempt.shared.registry.add(self)

    @property
    def is_end_awaited(self) -> bool:
        """Whether its end can be awaited: not after it was abandoned."""
        return not self._attempt.is_over

    def stop(self) -> None:
        """Cancel the task, unless its function has returned: its result is kept."""
        if self._attempt.is_stop_requested:
            return
        self._attempt.is_stop_requested = True
        # A task that is cancelled before its first step never runs, so no outcome would come; `_run` checks the flag.
        if self.has_started and not self._has_returned:
            self._task.cancel()

    def abandon(self) -> None:
        """Cancel the task, and report nothing more of it."""
        if self._attempt.is_stop_requested and not self._attempt.is_over:
            _log.warning("The coroutine of %s does not end, so it is abandoned.", self._attempt.info)
        self.stop()
        self._attempt.abandon()

    async def _run(self) -> None:
        self.has_started = True
        if self._attempt.is_stop_requested:
            self._attempt.shared.registry.discard(self)
            self._attempt.end(Stopped())
            return
        try:
            output = await self._output()
        except GeneratorExit as error:
            if not self._is_stepping():
                raise  # the loop is closed and this coroutine is garbage: nobody receives an outcome
            self._fail(error)
        except UnreadableArguments as unreadable:
            self._attempt.shared.registry.discard(self)
            self._attempt.end(Unreadable(unreadable.error))
        except BaseException as error:  # noqa: BLE001 - nothing that an author raises may reach the loop
            # Not swallowed: a CancelledError ends here as the attempt's outcome, and nobody awaits this task.
            self._fail(error)
        else:
            self._attempt.shared.registry.discard(self)
            self._attempt.end(Succeeded(output))

    async def _output(self) -> str:
        call = await self._bound()
        result = await call()
        self._has_returned = True
        if is_large(result):
            return await self._in_thread(lambda: self._encode(result))
        return self._encode(result)

    async def _bound(self) -> Callable[[], Any]:
        work = self._work
        del self._work  # it holds the arguments' JSON, which may be large
        if work.is_large or is_large(work.args):
            return await self._in_thread(work.bound)
        return work.bound()

    async def _in_thread(self, function: Callable[[], T]) -> T:
        def work() -> T:
            with large_json():
                return function()

        return await self._attempt.shared.pool.call(work)

    def _is_stepping(self) -> bool:
        try:
            return asyncio.current_task() is self._task
        except RuntimeError:
            return False

    def _fail(self, error: BaseException) -> None:
        self._attempt.shared.registry.discard(self)
        self._attempt.fail(error)


def takes_coroutine(work: Work) -> TypeGuard[FunctionCall]:
    """Return whether work is an async function, which runs in the loop."""
    return isinstance(work, FunctionCall) and is_async(work.function)


def begin_coroutine(attempt: Attempt, work: FunctionCall, encode: Callable[[Any], str]) -> CoroutineRun:
    """Start an attempt as a task of the loop."""
    run = CoroutineRun(attempt, encode)
    run.start(context_of(attempt), work)
    return run


COROUTINE = Executor("coroutine", takes_coroutine, begin_coroutine)

"""Run attempts of plain functions, each in a thread."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeGuard

from smithersd.core.flow.work import FunctionCall, UnreadableArguments, Work
from smithersd.executors.attempt import Attempt
from smithersd.executors.call import Stopped, Succeeded, Unreadable
from smithersd.executors.context import context_of
from smithersd.executors.coroutine import CoroutineRun, is_async
from smithersd.executors.executor import Executor
from smithersd.executors.large_json import is_large, large_json
from smithersd.loggers import logger

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _ReturnedAwaitable:
    """The function returned an awaitable, which the loop has to await."""

    awaitable: Awaitable[Any]

    def discard(self) -> None:
        if inspect.iscoroutine(self.awaitable):
            self.awaitable.close()


_Result = Succeeded | Stopped | Unreadable | _ReturnedAwaitable


class ThreadRun:
    """One attempt as one job of the thread pool. A thread cannot be stopped; it sees `cancelled` and may end."""

    def __init__(self, attempt: Attempt, work: FunctionCall, encode: Callable[[Any], str]) -> None:
        self._attempt = attempt
        self._shared = attempt.shared
        self._work = work
        self._encode = encode
        self._awaiting: tuple[CoroutineRun, _ReturnedAwaitable] | None = None

    def start(self, context: Context) -> None:
        """Hand the attempt to a thread."""
        self._shared.registry.add(self)
        self._shared.pool.submit(lambda: self._run(context))

    @property
    def is_end_awaited(self) -> bool:
        """False: a thread may never end."""
        return False

    def stop(self) -> None:
        """Set `cancelled` for the thread, or cancel the awaitable that the function returned."""
        if self._awaiting is None:
            self._attempt.is_stop_requested = True
            return
        run, returned = self._awaiting
        run.stop()
        if not run.has_started:
            returned.discard()

    def abandon(self) -> None:
        """Leave the thread to itself, and report nothing more of it."""
        if self._awaiting is not None:
            self.stop()
            self._awaiting[0].abandon()
            return
        if self._attempt.is_stop_requested and not self._attempt.is_over:
            _log.warning("The thread of %s does not end, so it is abandoned.", self._attempt.info)
        self._attempt.abandon()

    def _run(self, context: Context) -> None:
        """Call the function and encode its result, both in the thread and in the task's context."""
        try:
            result = context.run(self._call_function)
        except BaseException as error:  # noqa: BLE001 - reported as the outcome; the thread has other jobs to run
            self._shared.bridge.run_in_loop(self._on_result, error, context)
        else:
            self._shared.bridge.run_in_loop(self._on_result, result, context)

    def _call_function(self) -> _Result:
        if self._attempt.is_stop_requested:
            return Stopped()
        try:
            with large_json() if self._work.is_large else nullcontext():
                call = self._work.bound()
        except UnreadableArguments as unreadable:
            return Unreadable(unreadable.error)
        del self._work  # it holds the arguments' JSON, which may be large
        result = call()
        if inspect.isawaitable(result):
            return _ReturnedAwaitable(result)
        with large_json() if is_large(result) else nullcontext():
            return Succeeded(self._encode(result))

    def _on_result(self, result: _Result | BaseException, context: Context) -> None:
        self._shared.registry.discard(self)
        match result:
            case BaseException():
                self._attempt.fail(result)
            case _ReturnedAwaitable():
                self._await(result, context)
            case _:
                self._attempt.end(result)

    def _await(self, returned: _ReturnedAwaitable, context: Context) -> None:
        if self._attempt.is_stop_requested:
            returned.discard()
            self._attempt.end(Stopped())
            return
        run = CoroutineRun(self._attempt, self._encode)
        self._awaiting = (run, returned)
        run.start(context, FunctionCall(_awaited, (returned.awaitable,)))


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def takes_function(work: Work) -> TypeGuard[FunctionCall]:
    """Return whether work is a plain function, which would block the loop."""
    return isinstance(work, FunctionCall) and not is_async(work.function)


def begin_thread(attempt: Attempt, work: FunctionCall, encode: Callable[[Any], str]) -> ThreadRun:
    """Start an attempt in a thread."""
    run = ThreadRun(attempt, work, encode)
    run.start(context_of(attempt))
    return run


THREAD = Executor("thread", takes_function, begin_thread)

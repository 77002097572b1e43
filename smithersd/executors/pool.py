"""Threads for plain functions: daemon threads, which never hold up the end of the process."""

import asyncio
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import NoReturn, TypeVar, cast

from smithersd.executors.loop_bridge import LoopBridge
from smithersd.limits import START_RETRY_FIRST_S, START_RETRY_MAX_S
from smithersd.loggers import logger
from smithersd.posix.shortage import is_shortage

_log = logger(__name__)

T = TypeVar("T")

Job = Callable[[], None]
"""Work for a thread; it raises nothing."""


class ThreadPool:
    """Grows when every thread is taken, and keeps its threads for later jobs.

    The standard pool is of no use here: the interpreter joins its threads at exit, so one task that never
    ends would keep the process alive. The engine limits how much runs at once, so there is no limit here.
    """

    def __init__(self, bridge: LoopBridge) -> None:
        self._bridge = bridge
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._started = 0
        self._is_closed = False

    def submit(self, job: Job) -> None:
        """Run the job in a thread: at once, or as soon as the system has room for one; in the loop's thread only."""
        self._submit(job, START_RETRY_FIRST_S)

    def _submit(self, job: Job, retry_s: float) -> None:
        # An idle thread is counted off here, not when it wakes: two jobs never reckon with the same one.
        with self._lock:
            is_thread_idle = self._idle > 0
            self._idle -= is_thread_idle
        if is_thread_idle or self._has_grown(is_first_try=retry_s == START_RETRY_FIRST_S):
            self._jobs.put(job)
        elif not self._is_closed:
            self._bridge.later(retry_s, self._submit, job, min(2 * retry_s, START_RETRY_MAX_S))

    def _has_grown(self, *, is_first_try: bool) -> bool:
        thread = threading.Thread(target=self._work, name=f"smithers-task-{self._started + 1}", daemon=True)
        try:
            thread.start()
        except Exception as error:
            if not is_shortage(error):
                raise
            if is_first_try:
                _log.warning("A task waits for a thread: %s.", error)
            return False
        self._started += 1
        return True

    async def call(self, function: Callable[[], T]) -> T:
        """Call the function in a thread, in the caller's context, and wait for its result."""
        future: asyncio.Future[tuple[T | None, BaseException | None]] = self._bridge.loop.create_future()
        context = copy_context()

        def settle(result: T | None, error: BaseException | None) -> None:
            if not future.done():
                future.set_result((result, error))

        def job() -> None:
            try:
                result = context.run(function)
            except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
                self._bridge.run_in_loop(settle, None, error)
            else:
                self._bridge.run_in_loop(settle, result, None)

        self.submit(job)
        result, error = await future
        try:
            if error is not None:
                raise error
            return cast("T", result)
        finally:
            del error  # else its traceback and this frame would keep each other

    def close(self) -> None:
        """Let every thread go once it has nothing to do."""
        self._is_closed = True
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        pid = os.getpid()
        while (job := self._jobs.get()) is not None:
            job()
            if os.getpid() != pid:
                _end_fork()
            del job  # an idle thread holds on to no author's objects
            with self._lock:
                self._idle += 1


def _end_fork() -> NoReturn:
    """End a child that a job has forked and that came back from the job: no job will ever come to its queue.

    It would wait for ever, with the pipes of our process open. A thread of one's own ends its child here too.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # its reader has left, it is closed, or there is none
            stream.flush()
    os._exit(0)

"""Threads for plain functions: daemon threads, which do not delay the end of the process."""

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
    """A pool that grows when every thread is busy, and keeps its threads for later jobs.

    The interpreter joins the threads of the standard pool at exit, so one task that never ends would keep the process
    alive. The engine limits how many attempts run at once, so there is no limit here.
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
        # An idle thread is subtracted here, not when it wakes, so that two jobs never count on the same one.
        with self._lock:
            is_thread_idle = self._idle > 0
            self._idle -= is_thread_idle
        if is_thread_idle or self._try_to_grow(is_first_try=retry_s == START_RETRY_FIRST_S):
            self._jobs.put(job)
        elif not self._is_closed:
            self._bridge.later(retry_s, self._submit, job, min(2 * retry_s, START_RETRY_MAX_S))

    def _try_to_grow(self, *, is_first_try: bool) -> bool:
        thread = threading.Thread(target=self._work, name=f"smithers-task-{self._started + 1}", daemon=True)
        try:
            thread.start()
        except Exception as error:
            if not is_shortage(error):
                raise
            if is_first_try:
                _log.warning("A task waits because no thread can be started now: %s.", error)
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
            del error  # its traceback and this frame would keep each other alive

    def close(self) -> None:
        """End each thread once it has nothing to do."""
        self._is_closed = True
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        pid = os.getpid()
        while (job := self._jobs.get()) is not None:
            job()
            if os.getpid() != pid:
                _end_fork()
            del job  # an idle thread keeps no author's objects alive
            with self._lock:
                self._idle += 1


def _end_fork() -> NoReturn:
    """End a forked child that has returned from the job that forked it.

    No job will ever come to its copy of the queue, so it would wait for ever and keep this process's pipes open. In a
    thread of the author's own, a forked child ends with the thread as well.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # its reader is gone, it is closed, or there is none
            stream.flush()
    os._exit(0)

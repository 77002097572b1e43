"""The threads for SQLite's blocking calls: one that writes, and a few that read.

They are daemon threads, so that an open store does not delay the end of the process.
"""

import asyncio
import concurrent.futures
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, TypeVar

from smithersd.errors import StoreUnavailable
from smithersd.limits import DATA_VERSION_POLL_S, READERS_MAX, WRITE_LOCK_TIMEOUT_S
from smithersd.store.database import OnChange
from smithersd.store.sqlite import connection as sqlite
from smithersd.store.sqlite.file import OpenFile
from smithersd.store.statements import Transaction

T = TypeVar("T")

_Job = tuple[Transaction[Any], "asyncio.Future[Any] | concurrent.futures.Future[Any]"]

_WAIT_S = WRITE_LOCK_TIMEOUT_S + 2
"""How long another thread waits for the writer thread, in seconds."""


class _Control(Enum):
    """A message to the writer thread that is not a job."""

    POLL = "poll"
    END = "end"


class WriterThread:
    """The one thread that writes. Between its jobs it checks whether other processes have committed."""

    def __init__(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._connection = connection
        self._jobs: queue.SimpleQueue[_Job | _Control] = queue.SimpleQueue()
        self._is_closed = False
        self._on_change: OnChange | None = None
        self._version = 0
        self._polled_at_s = 0.0
        self._thread = threading.Thread(target=self._work, name="smithersd-store-writer", daemon=True)
        self._thread.start()

    def submit(self, transaction: Transaction[T]) -> "asyncio.Future[T]":
        """Queue a transaction; return a future of its value, which is done once the transaction is durable."""
        _check_open(self._is_closed)
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((transaction, future))
        return future

    def wait_for(self, transaction: Transaction[T]) -> T:
        """Queue a transaction and block the calling thread, which is not the loop's, until its value is there.

        Raises:
            StoreUnavailable: SQLite refused, or the writer thread does not answer in time.
        """
        _check_open(self._is_closed)
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._jobs.put((transaction, future))
        try:
            return future.result(_WAIT_S)
        except TimeoutError:
            future.cancel()
            raise StoreUnavailable(
                "The SQLite store's writer thread does not answer.", remedy="Check the disk's health."
            ) from None

    def watch(self, on_change: OnChange | None) -> None:
        """Call `on_change` in the loop when another process has committed; None stops that."""
        self._on_change = on_change
        if on_change is not None:
            self._jobs.put(_Control.POLL)  # wakes the thread, which then polls

    async def close(self) -> None:
        """Run the queued transactions, then end the thread."""
        self._is_closed = True
        self._jobs.put(_Control.END)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        with suppress(sqlite3.Error):
            self._version = sqlite.data_version(self._connection)
        while True:
            try:
                job = self._jobs.get(timeout=DATA_VERSION_POLL_S if self._on_change is not None else None)
            except queue.Empty:
                self._poll()
                continue
            if job is _Control.END:
                self._connection.close()
                return
            if job is not _Control.POLL:
                _perform(self._loop, sqlite.write, self._connection, job)
            if self._on_change is not None and time.monotonic() - self._polled_at_s > DATA_VERSION_POLL_S:
                self._poll()

    def _poll(self) -> None:
        self._polled_at_s = time.monotonic()
        with suppress(sqlite3.Error):  # a disk error shows at the next write; this only notifies
            version = sqlite.data_version(self._connection)
            if version != self._version:
                self._version = version
                on_change = self._on_change
                if on_change is not None:
                    _call(self._loop, on_change, None)


class ReaderThreads:
    """A few threads that read, which are started when they are needed."""

    def __init__(self, file: OpenFile, loop: asyncio.AbstractEventLoop) -> None:
        self._file = file
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._pending = 0

    def submit(self, transaction: Transaction[T]) -> "asyncio.Future[T]":
        """Queue a transaction that only reads; return a future of its value."""
        _check_open(self._is_closed)
        future: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(self._on_done)
        self._pending += 1
        if self._pending > len(self._threads) < READERS_MAX:
            self._start()
        self._jobs.put((transaction, future))
        return future

    async def close(self) -> None:
        """Run the queued transactions, then end the threads."""
        self._is_closed = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _start(self) -> None:
        name = f"smithersd-store-reader-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _on_done(self, _: "asyncio.Future[Any]") -> None:
        self._pending -= 1

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            try:
                connection = connection or self._connected()
            except StoreUnavailable as error:
                _call(self._loop, _fail, job[1], error)
                continue
            _perform(self._loop, sqlite.read, connection, job)
        if connection is not None:
            connection.close()

    def _connected(self) -> sqlite3.Connection:
        """Connect to the writer's file, and not to another file that replaced it.

        Raises:
            StoreUnavailable: the file cannot be opened, or was deleted, moved or replaced.
        """
        self._file.check()
        try:
            return sqlite.connect(self._file.path)
        except sqlite3.Error as error:
            raise sqlite.refusal(error) from error


def _perform(
    loop: asyncio.AbstractEventLoop,
    run: Callable[[sqlite3.Connection, Transaction[Any]], Any],
    connection: sqlite3.Connection,
    job: _Job,
) -> None:
    transaction, future = job
    if isinstance(future, concurrent.futures.Future):
        _perform_for_thread(run, connection, transaction, future)
        return
    try:
        value = run(connection, transaction)
    except BaseException as error:  # noqa: BLE001 - it is raised where the transaction is awaited
        _call(loop, _fail, future, error)
    else:
        _call(loop, _succeed, future, value)


def _perform_for_thread(
    run: Callable[[sqlite3.Connection, Transaction[Any]], Any],
    connection: sqlite3.Connection,
    transaction: Transaction[Any],
    future: "concurrent.futures.Future[Any]",
) -> None:
    if not future.set_running_or_notify_cancel():
        return  # the waiting thread has given up
    try:
        value = run(connection, transaction)
    except BaseException as error:  # noqa: BLE001 - as above
        future.set_exception(error)
    else:
        future.set_result(value)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody waits for the result
        loop.call_soon_threadsafe(function, *arguments)


def _succeed(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _check_open(is_closed: bool) -> None:  # noqa: FBT001 - private
    if is_closed:
        raise StoreUnavailable("The store is closed.", remedy="Open it again.")

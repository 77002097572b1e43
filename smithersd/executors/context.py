"""What a task's code can know and say about the attempt that it runs in."""

import json
import math
import operator
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Any

import pydantic_core

from smithersd.core.log.events import JsonValue
from smithersd.elements.texts import shown
from smithersd.elements.values.nesting import is_deeper_than
from smithersd.errors import UserError
from smithersd.executors.attempt import Attempt
from smithersd.limits import HEARTBEAT_BYTES_MAX, JSON_DEPTH_MAX
from smithersd.posix.process.forks import after_fork_in_child

PROGRESS_MESSAGE_LENGTH_MAX = 1_000
"""Characters of a progress message; the rest is cut."""

current_attempt: ContextVar[Attempt | None] = ContextVar("smithersd_attempt", default=None)
"""The attempt that this code runs for; threads and tasks that a task starts itself may inherit it."""


def _leave_attempt() -> None:
    """Leave the attempt in a process that a task forks: it has no loop to report to, so its output is its own."""
    current_attempt.set(None)


after_fork_in_child(_leave_attempt)


def context_of(attempt: Attempt) -> Context:
    """Return a new context for an attempt's code: the engine's, and in it which attempt this is."""
    context = attempt.shared.bridge.fresh_context()
    context.run(current_attempt.set, attempt)
    return context


class TaskContext:
    """The attempt that the calling code runs in; from `task_context()`.

    Every method may be called from any thread.
    """

    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def run_id(self) -> str:
        """The run that the task belongs to."""
        return self._attempt.info.run_id

    @property
    def node_id(self) -> str:
        """The id of the task in the workflow's tree."""
        return self._attempt.info.node_id

    @property
    def iteration(self) -> int:
        """The iteration of the loop around the task; 0 outside loops."""
        return self._attempt.info.iteration

    @property
    def attempt(self) -> int:
        """Which try it is, from 1."""
        return self._attempt.info.attempt

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this node iteration, and for nothing else: 32 characters.

        Give it to a service that must not do a thing twice, since an attempt that was interrupted is made again.
        """
        return self._attempt.info.idempotency_key

    @property
    def last_heartbeat(self) -> JsonValue:
        """The data of the last heartbeat of the attempts before this one, or None: where to go on from."""
        return self._attempt.info.last_heartbeat

    @property
    def cancelled(self) -> bool:
        """Whether the attempt should end now. A plain function asks this from time to time, and raises."""
        return self._attempt.is_told_to_end

    def heartbeat(self, data: JsonValue = None) -> None:
        """Say that the task is alive, and leave data for the next attempt in case this one is interrupted.

        Recorded at most every 500 ms: the latest wins, and the last one before the end is never lost.

        Args:
            data: any JSON value of at most 64 KiB.

        Raises:
            UserError: the data is no JSON, or too much.
        """
        self._attempt.beat(_heartbeat_json(data, self.node_id))

    def progress(self, done: float | None, total: float | None = None, message: str | None = None) -> None:
        """Say how far the task is, in a unit of its own.

        Recorded at most every 500 ms: the latest wins, and the last one before the end is never lost. Numbers of any
        type will do: what is recorded is an int or a float.

        Raises:
            UserError: `done` or `total` is no finite number.
        """
        text = None if message is None else _shown(message)
        self._attempt.progress((_finite(done, "done", self.node_id), _finite(total, "total", self.node_id), text))


def task_context() -> TaskContext:
    """The context of the task whose code calls this.

    ```python
    def fetch_all(urls: list[str]) -> int:
        context = task_context()
        start = context.last_heartbeat or 0
        for done in range(start, len(urls)):
            if context.cancelled:
                raise InterruptedError
            fetch(urls[done])
            context.heartbeat(done + 1)
            context.progress(done + 1, len(urls))
        return len(urls)
    ```

    Raises:
        UserError: the calling code runs in no task.
    """
    attempt = current_attempt.get()
    if attempt is None:
        raise UserError(
            "task_context() was called outside of a task.",
            remedy="Call it in the function that a Task runs. A thread that the function starts itself knows the "
            "task only through asyncio.to_thread() or contextvars.copy_context().run().",
        )
    return TaskContext(attempt)


def _heartbeat_json(data: JsonValue, node_id: str) -> bytes:
    """The data as it is stored. Written at once, since the author may change the object afterwards."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if is_deeper_than(pydantic_core.from_json(text), JSON_DEPTH_MAX):
            raise ValueError(f"it is nested deeper than {JSON_DEPTH_MAX} levels")  # noqa: TRY301 - one kind of mistake
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"The heartbeat data of task {node_id!r} cannot be written as JSON: {error}",
            remedy="Give heartbeat() strings, finite numbers, booleans, None, and lists and dicts of them.",
        ) from error
    if len(text) > HEARTBEAT_BYTES_MAX:
        raise UserError(
            f"The heartbeat data of task {node_id!r} has {len(text):,} bytes; {HEARTBEAT_BYTES_MAX:,} is the limit.",
            remedy="Store it elsewhere, and give heartbeat() the place.",
        )
    return text


def _finite(number: object, name: str, node_id: str) -> float | None:
    """The number as a plain int or float, which every event can hold: authors' numbers are of many types."""
    if number is None:
        return None
    with suppress(Exception):  # no number, one that no float can hold, or a type that raises: the same mistake
        plain = _plain_number(number)
        if math.isfinite(plain):
            return plain
    raise UserError(
        f"progress() of task {node_id!r} got {name}={shown(number)}.", remedy=f"Give {name} a finite number or None."
    )


def _plain_number(number: Any) -> float:
    if isinstance(number, (str, bytes, bytearray)):
        raise TypeError("a text is not a number")
    try:
        return int.__index__(operator.index(number))
    except TypeError:
        return float.__float__(float(number))


def _shown(message: object) -> str:
    return str(message)[:PROGRESS_MESSAGE_LENGTH_MAX].encode(errors="replace").decode()

"""The context of a task: what its code can read and report of the attempt that it runs in."""

import json
import math
import operator
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Any

import pydantic_core

from smithersd.core.log.events import JsonValue
from smithersd.elements.signal import signal_name_problem
from smithersd.elements.texts import shown
from smithersd.elements.values.nesting import is_deeper_than
from smithersd.errors import UserError
from smithersd.executors.attempt import Attempt
from smithersd.executors.output.mask import Mask
from smithersd.limits import HEARTBEAT_BYTES_MAX, JSON_DEPTH_MAX, SIGNAL_DATA_BYTES_MAX, SIGNAL_NAME_LENGTH_MAX
from smithersd.posix.process.forks import after_fork_in_child

PROGRESS_MESSAGE_LENGTH_MAX = 1_000
"""Characters of a progress message; the rest is cut."""

current_attempt: ContextVar[Attempt | None] = ContextVar("smithersd_attempt", default=None)
"""The attempt that this code runs for; threads and tasks that a task starts itself may inherit it."""


def _leave_attempt() -> None:
    """Forget the attempt in a process that a task forked: it has no loop to report to, so it prints by itself."""
    current_attempt.set(None)


after_fork_in_child(_leave_attempt)


def context_of(attempt: Attempt) -> Context:
    """Return a context for an attempt's code: a copy of the engine's, with the attempt as `current_attempt`."""
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
        """The number of this attempt, from 1."""
        return self._attempt.info.attempt

    @property
    def idempotency_key(self) -> str:
        """A key of 32 characters: the same for every attempt of this node iteration, and for nothing else.

        Send it to a service that must not do the same thing twice: an interrupted attempt is made again.
        """
        return self._attempt.info.idempotency_key

    @property
    def last_heartbeat(self) -> JsonValue:
        """The data of the last heartbeat of earlier attempts, or None; to continue from there."""
        return self._attempt.info.last_heartbeat

    @property
    def cancelled(self) -> bool:
        """Whether the attempt should end now. A plain function checks this regularly, and raises if it is true."""
        return self._attempt.is_stop_requested

    def heartbeat(self, data: JsonValue = None) -> None:
        """Report that the task is alive, with data for the next attempt in case this one is interrupted.

        At most one heartbeat in 500 ms is recorded, the latest; the last one before the attempt's end always is.

        Args:
            data: any JSON value of at most 64 KiB.

        Raises:
            UserError: the data cannot be written as JSON, is nested too deep, or is larger than 64 KiB.
        """
        what = f"The heartbeat data of task {self.node_id!r}"
        text = _json(data, what, "heartbeat()", bytes_max=HEARTBEAT_BYTES_MAX)
        _check_no_secret(text, what, "the next attempt reads the secret itself", self._attempt)
        self._attempt.heartbeat(text)

    def signal(self, name: str, data: JsonValue = None, *, key: str | None = None) -> None:
        """Send the task's own run a signal, which a `Signal` of this name and key takes.

        It is stored before the attempt's end is, so an attempt that finished has sent it. An attempt that was
        interrupted is made again, and sends it again. If the run keeps 10,000 signals already, the attempt fails.

        Args:
            name: the name that the `Signal` waits for.
            data: any JSON value of at most 64 KiB.
            key: the key that the `Signal` waits for, if it has one.

        Raises:
            UserError: the name, the key or the data cannot be sent, or the data hold a secret.
        """
        name = _checked_signal_name(name, "name", self.node_id)
        if key is not None:
            key = _checked_signal_name(key, "key", self.node_id)
        what = f"The data of signal {name!r} that task {self.node_id!r} sends"
        text = _json(data, what, "signal()", bytes_max=SIGNAL_DATA_BYTES_MAX)
        _check_no_secret(text, what, "who takes the signal reads the secret itself", self._attempt)
        self._attempt.signal(name, key, text)

    def progress(self, done: float | None, total: float | None = None, message: str | None = None) -> None:
        """Report how far the task is.

        At most one report in 500 ms is recorded, the latest; the last one before the attempt's end always is.

        Args:
            done: how much is done, in any unit; a number of any type, recorded as int or float.
            total: how much there is to do, in the same unit, if that is known.
            message: what the task is doing, at most 1,000 characters.

        Raises:
            UserError: `done` or `total` is not a finite number.
        """
        text = None if message is None else _shown(message, self._attempt.mask)
        self._attempt.progress((_finite(done, "done", self.node_id), _finite(total, "total", self.node_id), text))


def task_context() -> TaskContext:
    """Return the context of the task whose code calls this.

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
        UserError: the calling code does not run in a task.
    """
    attempt = current_attempt.get()
    if attempt is None:
        raise UserError(
            "task_context() was called outside of a task.",
            remedy="Call it in the function that a Task runs. In a thread of its own it works only if the thread was "
            "started with asyncio.to_thread() or runs in contextvars.copy_context().",
        )
    return TaskContext(attempt)


def _check_no_secret(text: bytes, what: str, instead: str, attempt: Attempt) -> None:
    name = None if attempt.mask is None else attempt.mask.secret_in(text.decode())
    if name is not None:
        raise UserError(f"{what} hold the secret {name!r}.", remedy=f"Leave it out: {instead}.")


def _json(data: JsonValue, what: str, call: str, *, bytes_max: int) -> bytes:
    """Return the data of a call as JSON, now: the author may change the object afterwards. `what` names them."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if is_deeper_than(pydantic_core.from_json(text), JSON_DEPTH_MAX):
            raise ValueError(f"it is nested deeper than {JSON_DEPTH_MAX} levels")  # noqa: TRY301 - one kind of mistake
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"{what} cannot be written as JSON: {error}",
            remedy=f"Give {call} strings, finite numbers, booleans, None, and lists and dicts of them.",
        ) from error
    if len(text) > bytes_max:
        raise UserError(
            f"{what} has {len(text):,} bytes; at most {bytes_max:,} are allowed.",
            remedy=f"Store the data elsewhere, and give {call} its path or URL.",
        )
    return text


def _checked_signal_name(name: object, what: str, node_id: str) -> str:
    problem = signal_name_problem(name) if isinstance(name, str) else "is not a text"
    if problem is not None:
        raise UserError(
            f"signal() of task {node_id!r} got {what}={shown(name)}, which {problem}.",
            remedy=f"Give 1 to {SIGNAL_NAME_LENGTH_MAX} printable characters.",
        )
    return str.__str__(name)


def _finite(number: object, name: str, node_id: str) -> float | None:
    """Return a number of any type as a plain int or float; None for None.

    Raises:
        UserError: it is not a finite number; `name` is the argument's name.
    """
    if number is None:
        return None
    with suppress(Exception):  # not a number, too large for a float, or its type raises
        plain = _plain_number(number)
        if math.isfinite(plain):
            return plain
    raise UserError(
        f"progress() of task {node_id!r} was called with {name}={shown(number)}.",
        remedy=f"Give a finite number or None as {name}.",
    )


def _plain_number(number: Any) -> float:
    if isinstance(number, (str, bytes, bytearray)):
        raise TypeError("a text is not a number")
    try:
        return int.__index__(operator.index(number))
    except TypeError:
        return float.__float__(float(number))


def _shown(message: object, mask: Mask | None) -> str:
    text = str(message) if mask is None else mask.text(str(message))
    return text[:PROGRESS_MESSAGE_LENGTH_MAX].encode(errors="replace").decode()

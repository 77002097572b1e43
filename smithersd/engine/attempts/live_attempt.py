"""One running attempt: it passes reports of the executor to the engine, and stops the work when told to.

A stop or a timeout tells the work to end; if it has not ended after a grace period of 3 s, it is abandoned.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from smithersd.core.flow.step import Start
from smithersd.core.flow.values import NO_SECRETS, OutputText, Secrets
from smithersd.core.kinds.registry import node_kind_of
from smithersd.core.log import events
from smithersd.core.log.events import JsonValue
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.elements import Node
from smithersd.elements.options.retry import RetryPolicy
from smithersd.engine.attempts.fetching import Fetching
from smithersd.engine.attempts.orphans import tag_of
from smithersd.errors import ErrorInfo, InvalidOutput, TaskTimeout, ValueFailed
from smithersd.executors import (
    AttemptInfo,
    Call,
    Executors,
    Failed,
    Outcome,
    Running,
    Stopped,
    Succeeded,
    Unreadable,
    failure_of,
)
from smithersd.limits import STOP_GRACE_S

AttemptEvent = events.NodeOutput | events.NodeProgress | events.TaskHeartbeat


@dataclass(frozen=True, slots=True)
class Ended:
    """News: an attempt has ended or was abandoned (then the outcome is Stopped or a timeout)."""

    key: NodeKey
    attempt: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Reported:
    """News: an attempt reported output, progress or a heartbeat."""

    event: AttemptEvent


@dataclass(frozen=True, slots=True)
class Signalled:
    """News: an attempt of a node sends its own run a signal."""

    key: NodeKey
    signal: events.SignalReceived


News = Ended | Reported | Signalled


class LiveAttempt:
    """One running attempt, and the sink of what its executor reports."""

    def __init__(self, start: Start, on_news: Callable[[News], None], deadline_ms: int | None) -> None:
        self.key = start.key
        self.attempt = start.attempt
        self.deadline_ms = deadline_ms
        self.timeout_s = _timeout_s(start.node)
        self._retry = _retry_policy(start.node)
        self._on_news = on_news
        self._running: Running | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._is_timed_out = False
        self._is_told_to_end = False
        self._refusal: ErrorInfo | None = None

    def run(
        self, start: Start, held: dict[NodeKey, str], run: RunState, executors: Executors, fetching: Fetching
    ) -> None:
        """Start the work with the outputs of `held`, after reading those that it lacks, and secrets."""
        secrets = node_kind_of(start.node).secrets(start.node)
        if secrets or len(held) < len(start.outputs):
            self._running = fetching.start(
                start.outputs, held, secrets, partial(call_of, start, run), self._failure_of, self
            )
            return
        try:
            self._running = executors.start(call_of(start, run, held), self)
        except InvalidOutput as error:
            self.ended(Unreadable(ErrorInfo.of(error)))
        except ValueFailed as error:
            self.ended(self._failure_of(error))

    def time_out(self) -> None:
        """Stop the work because of its timeout."""
        self._is_timed_out = True
        self.stop()

    def stop(self) -> None:
        """Tell the work to end, and abandon it after the grace period."""
        if self._running is None or self._is_told_to_end:
            return
        self._is_told_to_end = True
        self.deadline_ms = None
        self._grace = asyncio.get_running_loop().call_later(STOP_GRACE_S, self.abandon)
        self._running.stop()

    def abandon(self) -> None:
        """Stop waiting for the work, and report that it was stopped; anything that it still does is ignored."""
        if self._running is None:
            return
        self._running.abandon()
        self.ended(Stopped())

    def forget(self) -> None:
        """Ignore the work from now on, without reporting its end, since the engine closes."""
        self._running = None
        if self._grace is not None:
            self._grace.cancel()

    # The sink

    def printed(self, text: str, stream: str, is_truncated: bool) -> None:  # noqa: FBT001 - the executors' protocol
        """Report output; with `is_truncated` it is the last, since the limit is reached."""
        self._report(events.NodeOutput(*self.key, self.attempt, text, stream, is_truncated or None))

    def progressed(self, done: float | None, total: float | None, message: str | None) -> None:
        """Report progress."""
        self._report(events.NodeProgress(*self.key, self.attempt, done, total, message))

    def heartbeat(self, data: JsonValue) -> None:
        """Report a heartbeat with its data."""
        self._report(events.TaskHeartbeat(*self.key, self.attempt, data))

    def signalled(self, name: str, key: str | None, data: JsonValue) -> None:
        """It sends its run a signal; when is said as soon as that is received."""
        self._on_news(Signalled(self.key, events.SignalReceived(name, data, 0, key, self.key[0])))

    def refuse(self, error: ErrorInfo) -> None:
        """It has failed, whatever becomes of it: what it sent has no room."""
        self._refusal = error
        self.stop()

    def outcome_of(self, news: Ended) -> Ended:
        """Return the news of its end, as a failure if something of it was refused meanwhile."""
        return news if self._refusal is None else replace(news, outcome=Failed(self._refusal, is_retryable=False))

    def ended(self, outcome: Outcome) -> None:
        """Report the outcome."""
        self._running = self.deadline_ms = None
        if self._grace is not None:
            self._grace.cancel()
        self._on_news(Ended(self.key, self.attempt, self._effective(outcome)))

    def _report(self, event: AttemptEvent) -> None:
        self._on_news(Reported(event))

    def _effective(self, outcome: Outcome) -> Outcome:
        """Return the outcome that counts: a result even after a stop, but not a failure, which the stop has caused."""
        if isinstance(outcome, Succeeded | Unreadable) or not self._is_told_to_end:
            return outcome
        if self._is_timed_out:
            return self._failure_of(TaskTimeout(f"The attempt took longer than its timeout of {self.timeout_s:g} s."))
        return Stopped()

    def _failure_of(self, error: BaseException) -> Failed:
        return failure_of(error, self._retry)


def call_of(start: Start, run: RunState, outputs: Mapping[NodeKey, str], secrets: Secrets = NO_SECRETS) -> Call:
    """Return the call that runs an attempt with these outputs and secrets as arguments.

    Raises:
        InvalidOutput: an output that is an argument of a command cannot be read.
        ValueFailed: an argument of a command cannot be made of an output.
    """
    info = AttemptInfo(run.run_id, *start.key, start.attempt, start.last_heartbeat)
    kind = node_kind_of(start.node)
    sources = start.inputs.items()
    texts = {given: OutputText(source, outputs[source.key]) for given, source in sources if source.key in outputs}
    work = kind.work(start.node, texts, secrets, tag_of(run, start.key, start.attempt))
    return Call(info, work, kind.output_encoder(start.node), _retry_policy(start.node), secrets)


def deadline_of(start: Start, now_ms: int) -> int | None:
    """Return when an attempt that starts now reaches its timeout, in ms since the epoch, or None if it has none."""
    timeout_s = _timeout_s(start.node)
    return None if timeout_s is None else now_ms + round(timeout_s * 1000)


def _timeout_s(node: Node[Any]) -> float | None:
    attempts = node_kind_of(node).attempts(node)
    return None if attempts is None else attempts.timeout_s


def _retry_policy(node: Node[Any]) -> RetryPolicy:
    attempts = node_kind_of(node).attempts(node)
    return RetryPolicy() if attempts is None else attempts.retry

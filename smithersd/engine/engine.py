"""The engine drives one run: it passes what happens to the flow, commits each step, and then acts on it.

The loop: read what is new (ended attempts, requests in the inbox, due times), let the flow decide, commit the step in
one transaction under the lease's fence, and only then start and stop attempts. What arrives during a commit becomes
part of the next step, so that many completions need few commits.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from smithersd.core.flow.flow import Flow
from smithersd.core.flow.step import Step
from smithersd.core.log.events import Recorded, SignalReceived
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.core.log.states import RunStatus
from smithersd.core.reuse.rule import Forecast
from smithersd.core.tree.facts import Tree
from smithersd.engine.attempts.attempts import Attempts
from smithersd.engine.attempts.fetching import advance
from smithersd.engine.attempts.live_attempt import Ended, Reported, Signalled
from smithersd.engine.clock import Clock
from smithersd.engine.drivers import register_driver, unregister_driver
from smithersd.engine.inbox import Inbox
from smithersd.engine.lease.keeper import LeaseKeeper
from smithersd.engine.lease.lease import FIRST_FENCE, HeldLease
from smithersd.engine.phase import Phase
from smithersd.engine.rows import batch_of, closing_batch
from smithersd.engine.run_options import RunOptions
from smithersd.engine.store_retry import StoreRetry
from smithersd.errors import EngineFailed, ErrorInfo, InvalidOutput, LeaseLost, StoreUnavailable
from smithersd.executors import Failed, Stopped, Succeeded, Unreadable
from smithersd.limits import SIGNALS_KEPT_MAX
from smithersd.loggers import logger
from smithersd.store import Store
from smithersd.store.records import Commit, NewRun, RequestKind, RequestRow
from smithersd.store.requests import decision_of, signal_of, too_many_signals

_log = logger(__name__)

Observer = Callable[[Sequence[Recorded]], None]
"""Called with the events of each step once they are durable."""


class Engine:
    """Drives one run from `start_run` until the run has ended or is suspended."""

    def __init__(self, flow: Flow, *, store: Store, lease: HeldLease, clock: Clock, options: RunOptions) -> None:
        run_id = flow.state.run_id
        self._flow = flow
        self._store = store
        self._clock = clock
        self._suspends_when_waiting = options.suspend_when_waiting
        self._wake = asyncio.Event()
        self._alarm = clock.alarm(self._wake.set)
        self._retry = StoreRetry(run_id)
        self._inbox = Inbox(store, run_id, lease.fence, self._wake.set)
        self._lease = LeaseKeeper(lease, on_due=self._inbox.read_soon)
        self._attempts = Attempts(captures_output=options.captures_output, read=self._output, wake=self._wake.set)
        self._observers: list[Observer] = []
        self._first_step = Step()
        self._phase = Phase.ENDED if flow.state.status.is_final else Phase.PREPARED
        self._suspension = ""

    # For other parts of the process

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._flow.state.run_id

    @property
    def state(self) -> RunState:
        """The run's state after the last step; do not change it."""
        return self._flow.state

    @property
    def tree(self) -> Tree:
        """The run's whole tree as last rendered."""
        return self._flow.tree

    @property
    def forecast(self) -> Forecast | None:
        """What the run reuses of an earlier one, or None if it reuses none."""
        return self._flow.forecast()

    @property
    def ready_count(self) -> int:
        """The number of nodes that are ready and wait for a slot."""
        return self._flow.ready_count

    @property
    def live_keys(self) -> frozenset[NodeKey]:
        """The nodes that have a running attempt."""
        return self._attempts.keys

    @property
    def is_idle(self) -> bool:
        """Whether everything that happened has been handled, so that the engine only waits."""
        return not self._wake.is_set() and not self._attempts.has_news

    @property
    def problem(self) -> str | None:
        """Why the run makes no progress at present, or None."""
        return self._retry.problem

    def signal_problem(self, name: str, key: str | None, data: str) -> InvalidOutput | None:
        """Return why the node that waits for a signal would refuse its data, as JSON text; None if none would."""
        node = self._flow.listener((name, key))
        return None if node is None else node.schema.problem(data)

    async def holds_lease(self) -> bool:
        """Return whether no other driver may take over the run: its lease has time left, or the run has ended.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return await self._store.holds_lease(self.run_id, self._lease.fence)

    @property
    def is_ended_before(self) -> bool:
        """Whether there is nothing to drive, since the run had already ended when it was opened."""
        return self._phase is Phase.ENDED

    @property
    def is_resumed(self) -> bool:
        """Whether the run was resumed rather than started."""
        return self._phase is not Phase.ENDED and self._lease.fence > FIRST_FENCE

    @property
    def is_cancel_requested(self) -> bool:
        """Whether a cancellation of the run has been requested."""
        return self._phase is Phase.CANCELLING

    def observe(self, observer: Observer) -> None:
        """Call `observer` with the events of every durable step, from the first on, in the event loop's thread.

        Call this before `drive`.
        """
        self._observers.append(observer)
        if self._first_step.events:
            observer(self._first_step.events)

    def request_cancel(self) -> None:
        """Ask to cancel the run: attempts are stopped, waits are cancelled, and the run ends."""
        self._enter(Phase.CANCELLING)
        self._wake.set()

    def request_suspend(self, reason: str) -> None:
        """Ask to suspend the run: attempts are interrupted and recorded as such, and the run can be resumed."""
        if self._enter(Phase.SUSPENDING):
            self._suspension = reason
        self._retry.stop()
        self._wake.set()

    def abandon(self) -> None:
        """Stop waiting for attempts that were told to end, although their grace period is not over."""
        self._retry.stop()
        self._attempts.abandon()
        self._wake.set()

    def _enter(self, phase: Phase) -> bool:
        """Enter a phase if that is a legal move; return whether it was."""
        is_legal = self._phase.can_become(phase)
        if is_legal:
            self._phase = phase
        return is_legal

    # Driving

    async def create(self, new_run: NewRun) -> None:
        """Commit the new run with its first step.

        Raises:
            RunExists: there is a run with this id.
            StoreUnavailable: the store refused the commit.
        """
        await self._commit_first(new_run)
        self._enter(Phase.STARTED)

    async def resume(self) -> None:
        """Commit the first step of a resumption.

        Raises:
            LeaseLost: another driver has taken over the run meanwhile.
            StoreUnavailable: the store refused the commit.
        """
        self._enter(Phase.STARTED)
        await self._commit_first(None)

    async def _commit_first(self, new_run: NewRun | None) -> None:
        step = self._flow.take_step()
        await self._store.commit(Commit(self.run_id, self._lease.fence, batch_of(step, self.state), new_run=new_run))
        self._first_step = step

    async def drive(self, *, is_cancel_crash: bool = False) -> RunStatus:
        """Drive the run until it has ended or is suspended; return its status.

        If the engine fails, its lease is marked as that of a crashed driver, so that another process can resume the
        run at once. With `is_cancel_crash` a cancellation of this coroutine counts as a crash too: the daemon never
        cancels it on purpose.

        Raises:
            LeaseLost: another driver has taken over the run; nothing more was written.
            StoreUnavailable: the store refused the last write after the engine was asked to stop.
            EngineFailed: the engine itself has a fault.
        """
        has_crashed = True
        unsubscribe = self._inbox.subscribe()
        register_driver(self._store.url, self.run_id, self)
        self._enter(Phase.DRIVING)
        self._wake.set()
        try:
            with self._lease.kept():
                await self._drive()
            has_crashed = False
            return self.state.status
        except LeaseLost:
            has_crashed = False
            _log.error("%s: another driver has taken over the run; its attempts here are interrupted", self.run_id)
            raise
        except StoreUnavailable:
            has_crashed = False
            raise
        except asyncio.CancelledError:
            has_crashed = is_cancel_crash
            if has_crashed:
                _log.error("%s: the engine was cancelled by other code in this process", self.run_id)
            raise
        except Exception as error:
            _log.exception("%s: the engine has failed", self.run_id)
            raise EngineFailed.of(error) from error
        finally:
            unsubscribe()
            unregister_driver(self._store.url, self.run_id)
            self._alarm.close()
            await self.close(has_crashed=has_crashed)

    async def _drive(self) -> None:
        self._act(self._first_step)  # only now, so that observers see each attempt's event before it starts
        self._first_step = Step()
        while not self._flow.is_over:
            await self._wake.wait()
            self._wake.clear()
            await self._turn()

    async def close(self, *, has_crashed: bool = False) -> None:
        """Abandon running attempts, and give the lease back if the run has neither ended nor been suspended."""
        await self._attempts.close()
        has_lease = self._phase not in {Phase.PREPARED, Phase.ENDED}
        self._enter(Phase.CLOSED)
        if has_lease and not self._flow.is_over:
            await self._lease.end(has_crashed=has_crashed)

    async def _turn(self) -> None:
        """Read what is new, let the flow decide, commit the step, act on it."""
        await self._lease.renew_if_due(self._retry)
        self._apply(await self._inbox.read(self._retry))
        now_ms = self._clock.now_ms()
        self._take_in(now_ms)
        await advance(self._flow, now_ms, self._output)
        if self._suspends_when_waiting and self.state.status.is_waiting:
            self._flow.suspend(now_ms, "no-wait")
        step = self._flow.take_step()
        await self._commit(step)
        self._act(step)
        self._flow.outputs.trim()

    async def _output(self, key: NodeKey) -> str | None:
        return await self._retry.retry_until_available(lambda: self._store.output(self.run_id, *key))

    def _take_in(self, now_ms: int) -> None:
        for news in self._attempts.take_news():
            match news:
                case Reported(event):
                    self._flow.record(event, now_ms)
                case Signalled(key, signal):
                    self._take_in_signal(key, signal, now_ms)
                case Ended():
                    self._take_in_end(news, now_ms)
                case _:
                    assert_never(news)
        if self._phase is Phase.CANCELLING:
            self._flow.cancel(now_ms)
        elif self._phase is Phase.SUSPENDING:
            self._flow.suspend(now_ms, self._suspension)
        self._attempts.time_out(now_ms)

    def _take_in_signal(self, key: NodeKey, signal: SignalReceived, now_ms: int) -> None:
        """Receive what a task has sent to its own run; the attempt fails if there is no room for it."""
        if self.state.signals.count < SIGNALS_KEPT_MAX:
            self._flow.receive(replace(signal, sent_at_ms=now_ms), now_ms)
        else:
            self._attempts.refuse(key, ErrorInfo.of(too_many_signals(self.run_id)))

    def _take_in_end(self, news: Ended, now_ms: int) -> None:
        match news.outcome:
            case Succeeded(output):
                self._flow.succeeded(news.key, news.attempt, output, now_ms)
            case Failed(error, is_retryable, delay_s):
                self._flow.failed(
                    news.key, news.attempt, error, now_ms, is_retryable=is_retryable, retry_delay_s=delay_s
                )
            case Unreadable(error):
                self._flow.unreadable(news.key, news.attempt, error, now_ms)
            case Stopped():
                self._flow.stopped(news.key, news.attempt, now_ms)
            case _:
                assert_never(news.outcome)

    def _apply(self, requests: Sequence[RequestRow]) -> None:
        """Pass requests from outside to the flow, each one once."""
        for request in self._inbox.take(requests):
            now_ms = self._clock.now_ms()
            match request.kind:
                case RequestKind.CANCEL:
                    who = "somebody" if request.sender is None else repr(request.sender)
                    _log.warning("%s: %s asked to cancel the run", self.run_id, who)
                    self._enter(Phase.CANCELLING)
                case RequestKind.DECIDE:
                    self._flow.decide(request.wait_key, decision_of(request), now_ms)
                case RequestKind.FIRE:
                    self._flow.fire(request.wait_key, request.sender, now_ms)
                case RequestKind.SIGNAL:
                    self._flow.receive(signal_of(request), now_ms)
                case _:
                    assert_never(request.kind)

    def _act(self, step: Step) -> None:
        """Start and stop attempts as a durable step says, and set the alarm for what is due next."""
        for note in step.notes:
            _log.warning("%s: %s", self.run_id, note)
        now_ms = self._clock.now_ms() if step.starts else 0
        for start in step.starts:
            self._attempts.start(start, now_ms, self._flow.outputs, self.state)
        for key in step.stops:
            self._attempts.stop(key)
        due = (self._attempts.next_deadline_ms, self._flow.next_due_ms, self._flow.deadline_ms)
        at_ms = min((due_ms for due_ms in due if due_ms is not None), default=None)
        self._alarm.set(at_ms, may_jump=not self._attempts.has_any)

    # Committing

    async def _commit(self, step: Step) -> None:
        """Commit a step, together with what closes the run unless a new request came first."""
        closing = self._flow.closing()
        if not (step.events or closing or self._inbox.applied):
            return
        commit = self._commit_of(step, closing)
        committed = await self._retry.retry_until_available(lambda: self._store.commit(commit))
        self._inbox.forget_applied()
        self._show(step.events)
        if closing and committed.is_closed:
            self._flow.close(closing)
            self._show(closing)
            self._wake.set()
        if committed.requests:
            self._apply(committed.requests)
            self._wake.set()

    def _commit_of(self, step: Step, closing: list[Recorded]) -> Commit:
        batch = batch_of(step, self.state)
        end = closing_batch(closing, self.state) if closing else None
        is_end = end is not None and end.status.is_at_rest
        return Commit(
            run_id=self.run_id,
            fence=self._lease.fence,
            batch=batch,
            applied=self._inbox.applied,
            closing=end,
            closing_applied=self._inbox.cancels if is_end else (),
            is_release=is_end,
        )

    def _show(self, recorded: Sequence[Recorded]) -> None:
        if recorded:
            for observer in self._observers:
                observer(recorded)

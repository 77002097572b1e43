"""The engine: drives one run. It hands news to the flow, makes each step durable, and then acts on it.

The loop: take in what is new (ended attempts, the inbox, due times, requests), let the flow decide, commit the step in
one transaction under the lease's fence, and only then start and stop attempts. What arrives while a commit is under
way is taken together with the next one, so that completions that come together commit together.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

from smithersd.core.flow.flow import Flow
from smithersd.core.flow.step import Step
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.core.log.states import RunStatus
from smithersd.core.reuse.rule import Forecast
from smithersd.core.tree.facts import Tree
from smithersd.engine.attempts.attempts import Attempts
from smithersd.engine.attempts.fetching import advance
from smithersd.engine.attempts.live_attempt import Ended, Said
from smithersd.engine.clock import Clock
from smithersd.engine.drivers import register_driver, unregister_driver
from smithersd.engine.inbox import Inbox
from smithersd.engine.lease.keeper import LeaseKeeper
from smithersd.engine.lease.lease import FIRST_FENCE, HeldLease
from smithersd.engine.phase import Phase
from smithersd.engine.rows import batch_of, closing_batch
from smithersd.engine.run_options import RunOptions
from smithersd.engine.store_retry import StoreRetry
from smithersd.errors import EngineFailed, LeaseLost, StoreUnavailable
from smithersd.executors import Failed, Stopped, Succeeded, Unreadable
from smithersd.loggers import logger
from smithersd.store import Store
from smithersd.store.records import Commit, NewRun, RequestKind, RequestRow
from smithersd.store.requests import decision_of

_log = logger(__name__)

Observer = Callable[[Sequence[Recorded]], None]
"""Is shown the events of each step once they are durable."""


class Engine:
    """One run's driver, from `start_run` until the run has ended or is suspended."""

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

    # What others see and ask

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._flow.state.run_id

    @property
    def state(self) -> RunState:
        """The run's state as the engine knows it; read only."""
        return self._flow.state

    @property
    def tree(self) -> Tree:
        """The run's whole tree as it was rendered last."""
        return self._flow.tree

    @property
    def forecast(self) -> Forecast | None:
        """What the run takes over of an earlier one, None where there is none."""
        return self._flow.forecast()

    @property
    def ready_count(self) -> int:
        """How many nodes are ready and wait for a slot."""
        return self._flow.ready_count

    @property
    def live_keys(self) -> frozenset[NodeKey]:
        """The nodes of which an attempt runs."""
        return self._attempts.keys

    @property
    def is_idle(self) -> bool:
        """Whether nothing that happened is left to take in: it waits for what comes next."""
        return not self._wake.is_set() and not self._attempts.has_news

    @property
    def problem(self) -> str | None:
        """Why the run does not go on at present, None when all is well."""
        return self._retry.problem

    async def holds_lease(self) -> bool:
        """Whether nobody else may take the run: its lease has time left, or the run has ended.

        Raises:
            StoreUnavailable: the store does not say.
        """
        return await self._store.holds_lease(self.run_id, self._lease.fence)

    @property
    def is_ended_before(self) -> bool:
        """Whether there is nothing to drive: the run had ended when it was taken up."""
        return self._phase is Phase.ENDED

    @property
    def is_resumed(self) -> bool:
        """Whether the run was resumed, not begun."""
        return self._phase is not Phase.ENDED and self._lease.fence > FIRST_FENCE

    @property
    def is_cancel_requested(self) -> bool:
        """Whether somebody has asked to cancel the run."""
        return self._phase is Phase.CANCELLING

    def observe(self, observer: Observer) -> None:
        """Show every durable step's events to `observer`, in the event loop's thread, from the first step on.

        Call it before `drive`.
        """
        self._observers.append(observer)
        if self._first_step.events:
            observer(self._first_step.events)

    def request_cancel(self) -> None:
        """Cancel the run: attempts are ended, waits closed, then it is over."""
        self._become(Phase.CANCELLING)
        self._wake.set()

    def request_suspend(self, reason: str) -> None:
        """Stop driving: attempts are interrupted and recorded, and the run can be resumed."""
        if self._become(Phase.SUSPENDING):
            self._suspension = reason
        self._retry.stop()
        self._wake.set()

    def abandon(self) -> None:
        """Stop waiting for attempts that were told to end: the grace is over now."""
        self._retry.stop()
        self._attempts.abandon()
        self._wake.set()

    def _become(self, phase: Phase) -> bool:
        """Go into a phase if there is a move to it; return whether there was."""
        is_legal = self._phase.can_become(phase)
        if is_legal:
            self._phase = phase
        return is_legal

    # Driving

    async def create(self, new_run: NewRun) -> None:
        """Make the run and its first step durable.

        Raises:
            RunExists: the id is taken.
            StoreUnavailable: the store refused.
        """
        await self._commit_first(new_run)
        self._become(Phase.STARTED)

    async def resume(self) -> None:
        """Make the first step of a resumption durable.

        Raises:
            LeaseLost: another driver was quicker.
            StoreUnavailable: the store refused.
        """
        self._become(Phase.STARTED)
        await self._commit_first(None)

    async def _commit_first(self, new_run: NewRun | None) -> None:
        step = self._flow.take_step()
        await self._store.commit(Commit(self.run_id, self._lease.fence, batch_of(step, self.state), new_run=new_run))
        self._first_step = step

    async def drive(self, *, is_cancel_crash: bool = False) -> RunStatus:
        """Drive the run until it has ended or is suspended; return which.

        A driver that dies leaves the run to others, as interrupted by a crash. With `is_cancel_crash` that is so too
        when this coroutine is cancelled: in a process of ours nobody does that on purpose.

        Raises:
            LeaseLost: another driver took the run; nothing more was written.
            StoreUnavailable: the store refused what was to be written last.
            EngineFailed: something unexpected happened in the engine itself.
        """
        has_crashed = True
        unsubscribe = self._inbox.subscribe()
        register_driver(self._store.url, self.run_id, self)
        self._become(Phase.DRIVING)
        self._wake.set()
        try:
            with self._lease.kept():
                await self._drive()
            has_crashed = False
            return self.state.status
        except LeaseLost:
            has_crashed = False
            _log.error("%s: another driver has taken the run; what ran here is interrupted", self.run_id)
            raise
        except StoreUnavailable:
            has_crashed = False
            raise
        except asyncio.CancelledError:
            has_crashed = is_cancel_crash
            if has_crashed:
                _log.error("%s: something in this process has cancelled the engine", self.run_id)
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
        self._act(self._first_step)  # only now, so that observers hear of each attempt before it begins
        self._first_step = Step()
        while not self._flow.is_over:
            await self._wake.wait()
            self._wake.clear()
            await self._turn()

    async def close(self, *, has_crashed: bool = False) -> None:
        """End what still runs, without waiting for it, and give the lease back if the run was left unfinished."""
        await self._attempts.close()
        has_lease = self._phase not in {Phase.PREPARED, Phase.ENDED}
        self._become(Phase.CLOSED)
        if has_lease and not self._flow.is_over:
            await self._lease.let_go(has_crashed=has_crashed)

    async def _turn(self) -> None:
        """Take in what is new, decide, commit, act."""
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
                case Said(event):
                    self._flow.record(event, now_ms)
                case Ended():
                    self._take_in_end(news, now_ms)
                case _:
                    assert_never(news)
        if self._phase is Phase.CANCELLING:
            self._flow.cancel(now_ms)
        elif self._phase is Phase.SUSPENDING:
            self._flow.suspend(now_ms, self._suspension)
        self._attempts.time_out(now_ms)

    def _take_in_end(self, news: Ended, now_ms: int) -> None:
        match news.outcome:
            case Succeeded(output):
                self._flow.succeeded(news.key, news.attempt, output, now_ms)
            case Failed(error):
                self._flow.failed(news.key, news.attempt, error, now_ms)
            case Unreadable(error):
                self._flow.unreadable(news.key, news.attempt, error, now_ms)
            case Stopped():
                self._flow.stopped(news.key, news.attempt, now_ms)
            case _:
                assert_never(news.outcome)

    def _apply(self, requests: Sequence[RequestRow]) -> None:
        """Give the flow what people ask, each request once."""
        for request in self._inbox.take(requests):
            now_ms = self._clock.now_ms()
            match request.kind:
                case RequestKind.CANCEL:
                    who = "somebody" if request.sender is None else repr(request.sender)
                    _log.warning("%s: %s asked to cancel the run", self.run_id, who)
                    self._become(Phase.CANCELLING)
                case RequestKind.DECIDE:
                    self._flow.decide(request.wait_key, decision_of(request), now_ms)
                case RequestKind.FIRE:
                    self._flow.fire(request.wait_key, request.sender, now_ms)
                case _:
                    assert_never(request.kind)

    def _act(self, step: Step) -> None:
        """Act on a step that is durable."""
        for note in step.notes:
            _log.warning("%s: %s", self.run_id, note)
        now_ms = self._clock.now_ms() if step.starts else 0
        for start in step.starts:
            self._attempts.start(start, now_ms, self._flow.outputs, self.state)
        for key in step.stops:
            self._attempts.stop(key)
        due = [at_ms for at_ms in (self._attempts.next_deadline_ms, self._flow.next_due_ms) if at_ms is not None]
        self._alarm.set(min(due, default=None), may_jump=not self._attempts.has_any)

    # Committing

    async def _commit(self, step: Step) -> None:
        """Make a step durable, and what closes the run or a wait with it, unless somebody was quicker."""
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

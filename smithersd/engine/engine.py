"""The engine: drives one run. It hands news to the flow, makes each step durable, and then acts on it.

The loop: take in what is new (ended attempts, the inbox, due times, requests), let the flow decide, commit the step in
one transaction under the lease's fence, and only then start and stop attempts. What arrives while a commit is under
way is taken together with the next one, so that completions that come together commit together.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from typing import TypeVar

from smithersd.core.flow.flow import Flow
from smithersd.core.flow.step import Start, Step
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import NodeKey, RunState
from smithersd.core.log.states import RunStatus
from smithersd.core.reuse.rule import Forecast
from smithersd.core.tree.facts import Tree
from smithersd.engine.attempts.fetching import Fetching, advance
from smithersd.engine.attempts.live_attempt import Ended, LiveAttempt, News, Said, deadline_of
from smithersd.engine.clock import Clock
from smithersd.engine.drivers import register_driver, unregister_driver
from smithersd.engine.inbox import answer_of
from smithersd.engine.lease.lease import HeldLease
from smithersd.engine.lease.owner import own_text
from smithersd.engine.lease.watchdog import watched
from smithersd.engine.rows import batch_of, closing_batch
from smithersd.errors import EngineFailed, LeaseLost, StoreUnavailable
from smithersd.executors import Executors, Failed, Stopped, Succeeded, Unreadable
from smithersd.limits import STORE_RETRY_FIRST_S, STORE_RETRY_MAX_S
from smithersd.loggers import logger
from smithersd.store import Store
from smithersd.store.records import Commit, InboxKind, InboxRow, NewRun, Topic

_log = logger(__name__)

T = TypeVar("T")

Observer = Callable[[Sequence[Recorded]], None]
"""Is shown the events of each step once they are durable."""


class Engine:
    """One run's driver, from `start_run` until the run has ended or is suspended."""

    def __init__(
        self,
        flow: Flow,
        *,
        store: Store,
        lease: HeldLease,
        clock: Clock,
        captures_output: bool,
        suspend_when_waiting: bool,
    ) -> None:
        self._flow = flow
        self._store = store
        self._lease = lease
        self._clock = clock
        self._suspend_when_waiting = suspend_when_waiting
        self._executors = Executors(captures_output=captures_output)
        self._fetching = Fetching(self._executors, self._output)
        self._live: dict[NodeKey, LiveAttempt] = {}
        self._deadlines: list[tuple[int, int, LiveAttempt]] = []
        self._news: deque[News] = deque()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._alarm = clock.alarm(self._wake.set)
        self._renewal: asyncio.TimerHandle | None = None
        self._inbox_is_new = True
        self._lease_is_due = False
        self._applied: list[int] = []
        self._cancels: list[int] = []
        self._is_cancelled = False
        self._suspension: str | None = None
        self._observers: list[Observer] = []
        self._first_step = Step()
        self._is_resumed = False
        self._problem: str | None = None
        self._is_abandoned = False
        self._is_created = False
        self._started = 0
        self._is_ended_before = flow.state.status.is_final

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
        return frozenset(self._live)

    @property
    def is_idle(self) -> bool:
        """Whether nothing that happened is left to take in: it waits for what comes next."""
        return not self._wake.is_set() and not self._news

    @property
    def problem(self) -> str | None:
        """Why the run does not go on at present, None when all is well."""
        return self._problem

    async def holds_lease(self) -> bool:
        """Whether nobody else may take the run: its lease has time left, or the run has ended.

        Raises:
            StoreUnavailable: the store does not say.
        """
        return await self._store.holds_lease(self.run_id, self._lease.fence)

    @property
    def is_ended_before(self) -> bool:
        """Whether there is nothing to drive: the run had ended when it was taken up."""
        return self._is_ended_before

    @property
    def is_resumed(self) -> bool:
        """Whether the run was taken up, not begun."""
        return self._is_resumed

    @property
    def is_cancel_requested(self) -> bool:
        """Whether somebody has asked to cancel the run."""
        return self._is_cancelled

    def observe(self, observer: Observer) -> None:
        """Show every durable step's events to `observer`, in the event loop's thread, from the first step on.

        Call it before `drive`.
        """
        self._observers.append(observer)
        if self._first_step.events:
            observer(self._first_step.events)

    def request_cancel(self) -> None:
        """Cancel the run: attempts are ended, waits closed, then it is over."""
        self._is_cancelled = True
        self._wake.set()

    def request_suspend(self, reason: str) -> None:
        """Stop driving: attempts are interrupted and recorded, and the run can be resumed."""
        self._suspension = self._suspension or reason
        self._hurry.set()
        self._wake.set()

    def abandon(self) -> None:
        """Stop waiting for attempts that were told to end: the grace is over now."""
        self._is_abandoned = True
        self._hurry.set()
        for attempt in list(self._live.values()):
            attempt.leave_behind()
        self._wake.set()

    # Driving

    async def create(self, new_run: NewRun) -> None:
        """Make the run and its first step durable.

        Raises:
            RunExists: the id is taken.
            StoreUnavailable: the store refused.
        """
        await self._begin(new_run)

    async def take_up(self) -> None:
        """Make the first step of a resumption durable.

        Raises:
            LeaseLost: another driver was quicker.
            StoreUnavailable: the store refused.
        """
        self._is_created = self._is_resumed = True
        await self._begin(None)

    async def _begin(self, new_run: NewRun | None) -> None:
        step = self._flow.take_step()
        await self._store.commit(Commit(self.run_id, self._lease.fence, batch_of(step, self.state), new_run=new_run))
        self._is_created = True
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
        unsubscribe = self._store.subscribe(self.run_id, Topic.INBOX, self._on_inbox)
        register_driver(self._store.url, self.run_id, self)
        self._schedule_renewal()
        self._wake.set()
        try:
            with watched(self._lease):
                self._lease.is_driving = True
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
            if self._renewal is not None:
                self._renewal.cancel()
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
        for attempt in self._live.values():
            attempt.forget()
        self._fetching.close()
        await self._executors.close()
        if self._flow.is_over or not self._is_created:
            return
        with suppress(StoreUnavailable):  # then the lease runs out, or its owner is seen to be dead
            if has_crashed:
                await self._lease.mark_crashed(own_text(has_crashed=True))
            else:
                await self._lease.give_back()

    async def _turn(self) -> None:
        """One turn: take in what is new, decide, commit, act."""
        if self._lease_is_due:
            self._lease_is_due = False
            await self._insist(self._lease.renew)
        await self._read_inbox()
        now_ms = self._clock.now_ms()
        self._take_in(now_ms)
        await advance(self._flow, now_ms, self._output)
        if self._suspend_when_waiting and self.state.status.is_waiting:
            self._flow.suspend(now_ms, "no-wait")
        step = self._flow.take_step()
        await self._commit(step)
        self._act(step)
        self._flow.outputs.trim()

    async def _output(self, key: NodeKey) -> str | None:
        return await self._insist(lambda: self._store.output(self.run_id, *key))

    def _take_in(self, now_ms: int) -> None:
        flow = self._flow
        while self._news:
            news = self._news.popleft()
            if isinstance(news, Said):
                flow.record(news.event, now_ms)
            else:
                self._take_in_end(news, now_ms)
        if self._is_cancelled:
            flow.cancel(now_ms)
        elif self._suspension is not None:
            flow.suspend(now_ms, self._suspension)
        for attempt in self._overdue(now_ms):
            attempt.time_out()

    def _take_in_end(self, news: Ended, now_ms: int) -> None:
        if self._live.pop(news.key, None) is None:
            return
        match news.outcome:
            case Succeeded(output):
                self._flow.succeeded(news.key, news.attempt, output, now_ms)
            case Failed(error):
                self._flow.failed(news.key, news.attempt, error, now_ms)
            case Unreadable(error):
                self._flow.unreadable(news.key, news.attempt, error, now_ms)
            case Stopped():
                self._flow.stopped(news.key, news.attempt, now_ms)

    def _act(self, step: Step) -> None:
        """Act on a step that is durable."""
        for note in step.notes:
            _log.warning("%s: %s", self.run_id, note)
        now_ms = self._clock.now_ms() if step.starts else 0
        for start in step.starts:
            self._start(start, now_ms)
        for key in step.stops:
            self._stop(key)
        self._set_alarm()

    def _start(self, start: Start, now_ms: int) -> None:
        attempt = LiveAttempt(start, self._tell, deadline_of(start, now_ms))
        self._live[start.key] = attempt
        if attempt.deadline_ms is not None:
            heappush(self._deadlines, (attempt.deadline_ms, self._started, attempt))
            self._started += 1
        attempt.run(start, self._flow.outputs.held(start.outputs), self.state, self._executors, self._fetching)

    def _stop(self, key: NodeKey) -> None:
        attempt = self._live.get(key)
        if attempt is None:
            return
        attempt.stop()
        if self._is_abandoned:
            attempt.leave_behind()

    def _tell(self, news: News) -> None:
        self._news.append(news)
        self._wake.set()

    def _show(self, recorded: Sequence[Recorded]) -> None:
        if recorded:
            for observer in self._observers:
                observer(recorded)

    # Time

    def _overdue(self, now_ms: int) -> Iterator[LiveAttempt]:
        while (deadline_ms := self._next_deadline_ms()) is not None and deadline_ms <= now_ms:
            yield heappop(self._deadlines)[-1]

    def _next_deadline_ms(self) -> int | None:
        while self._deadlines and self._deadlines[0][-1].deadline_ms is None:
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def _set_alarm(self) -> None:
        due = [at_ms for at_ms in (self._next_deadline_ms(), self._flow.next_due_ms) if at_ms is not None]
        self._alarm.set(min(due, default=None), may_jump=not self._live)

    def _schedule_renewal(self) -> None:
        self._renewal = asyncio.get_running_loop().call_later(self._lease.interval_s, self._on_lease_due)

    def _on_lease_due(self) -> None:
        """Have the lease renewed in the next turn; the time after that is set here, whatever that turn comes to."""
        self._schedule_renewal()
        self._lease_is_due = self._inbox_is_new = True
        self._wake.set()

    # The inbox

    def _on_inbox(self) -> None:
        self._inbox_is_new = True
        self._wake.set()

    async def _read_inbox(self) -> None:
        if not self._inbox_is_new:
            return
        self._inbox_is_new = False
        try:
            self._apply(await self._insist(lambda: self._store.driver_inbox(self.run_id, self._lease.fence)))
        except StoreUnavailable:  # asked to stop: the next write tells whether that can be said
            self._inbox_is_new = True

    def _apply(self, rows: Sequence[InboxRow]) -> None:
        for row in rows:
            if row.id in self._applied or row.id in self._cancels:
                continue
            match row.kind:
                case InboxKind.CANCEL:
                    who = "somebody" if row.decided_by is None else repr(row.decided_by)
                    _log.warning("%s: %s asked to cancel the run", self.run_id, who)
                    self._cancels.append(row.id)
                    self._is_cancelled = True
                case InboxKind.APPROVE | InboxKind.DENY:
                    self._applied.append(row.id)
                    self._flow.decide(answer_of(row), self._clock.now_ms())

    # The store

    async def _commit(self, step: Step) -> None:
        """Make a step durable, and what closes the run or a wait with it, unless somebody was quicker."""
        closing = self._flow.closing()
        if not (step.events or closing or self._applied):
            return
        commit = self._commit_of(step, closing)
        committed = await self._insist(lambda: self._store.commit(commit))
        self._applied.clear()
        self._show(step.events)
        if closing and committed.is_closed:
            self._flow.close(closing)
            self._show(closing)
            self._wake.set()
        if committed.inbox:
            self._apply(committed.inbox)
            self._wake.set()

    def _commit_of(self, step: Step, closing: list[Recorded]) -> Commit:
        batch = batch_of(step, self.state)
        end = closing_batch(closing, self.state) if closing else None
        is_end = end is not None and end.status.is_at_rest
        return Commit(
            run_id=self.run_id,
            fence=self._lease.fence,
            batch=batch,
            applied=tuple(self._applied),
            closing=end,
            closing_applied=tuple(self._cancels) if is_end else (),
            is_release=is_end,
        )

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store, again and again while it refuses: attempts go on, nothing new starts, and it is said why.

        Raises:
            LeaseLost: another driver took the run.
            StoreUnavailable: the store refuses, and the driver has been asked to stop.
        """
        delay_s = STORE_RETRY_FIRST_S
        while True:
            try:
                answer = await ask()
            except StoreUnavailable as error:
                if self._hurry.is_set():
                    raise
                self._say_problem(str(error))
                await self._rest(delay_s)
                delay_s = min(2 * delay_s, STORE_RETRY_MAX_S)
            else:
                self._say_problem(None)
                return answer

    async def _rest(self, delay_s: float) -> None:
        """Let some time pass, unless the driver is asked to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._hurry.wait()

    def _say_problem(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            _log.error("%s: the store refuses, the run waits: %s", self.run_id, problem)
        elif problem is None and self._problem is not None:
            _log.warning("%s: the store takes writes again, the run goes on", self.run_id)
        self._problem = problem

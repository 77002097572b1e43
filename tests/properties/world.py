"""A drawn workflow in the real engine on real SQLite, and everything that can happen to it.

A `World` owns a store and one life of a driver after the other. Between two stimuli it waits until the engine has
nothing to do, so that a history is the same each time that it is told.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from smithersd import Permanent, RetryAfter, Store, open_store, task_context
from smithersd.core.log.events import SignalReceived
from smithersd.core.log.records import NodeKey
from smithersd.core.log.states import RunStatus, WaitKind, WaitStatus
from smithersd.elements import Decision
from smithersd.engine import Engine, RunOptions, StartMode, request_cancel, send_signal, start_run
from smithersd.errors import InvalidRequest, SmithersError
from tests.properties.trees import (
    RETRY_AFTER_S,
    SECRET_VALUE,
    BoxSpec,
    BranchSpec,
    GroupSpec,
    LazySpec,
    SignalSpec,
    Spec,
    TaskSpec,
    data_of,
    leaves,
    workflow_of,
)
from tests.support.clocks import StillClock
from tests.support.mortal import Died, MortalStore, bury
from tests.support.waiting import DEADLINE_S

RUN_ID = "r"
LIMIT = 3
IDLE_TURNS = 4
"""Turns of the loop without anything to do after which the engine is taken to be idle."""
MEMORY_FOLDER = Path("/dev/shm")


class World:
    """One run of a drawn workflow, through all its drivers' lives."""

    def __init__(self, spec: Spec, store: Store) -> None:
        self.store = store
        self.clock = StillClock()
        self.specs: dict[str, Any] = {one.id: one for one in leaves(spec)}
        self.running: dict[str, asyncio.Future[None]] = {}
        self.unsent = {one.id: list(data_of(one)) for one in leaves(spec) if isinstance(one, SignalSpec)}
        self.accepted: list[tuple[NodeKey, str]] = []
        self.is_cancel_accepted = False
        self.commits = 0
        self._workflow = workflow_of(spec, self._function_of)
        self._caps = list(_caps(spec))
        self._life: MortalStore | None = None
        self._engine: Engine | None = None
        self._driving: asyncio.Task[RunStatus | None] | None = None
        self._witness = sqlite3.connect(store.url.removeprefix("sqlite:///"), timeout=30)

    # Lives

    async def live(self, *, dies_at: int | None = None, is_written: bool = True) -> None:
        """Begin a life: start the run, or take it up where its log ends."""
        self._life = MortalStore(self.store)
        if dies_at is not None:
            self._life.die_at(dies_at, is_written=is_written)
        try:
            self._engine = await start_run(
                self._workflow,
                store=self._life,
                run_id=RUN_ID,
                clock=self.clock,
                options=RunOptions(mode=StartMode.EITHER, max_concurrency=LIMIT),
            )
        except Died:
            self._bury()
            return
        self._driving = asyncio.create_task(_outcome(self._engine))
        await self.settle()

    def die_soon(self, *, commits: int, is_written: bool) -> None:
        """Let this life end at a commit to come."""
        assert self._life is not None
        self._life.die_at(commits, is_written=is_written)

    async def suspend(self) -> None:
        """Stop the driver on purpose."""
        assert self._engine is not None
        self._engine.request_suspend("test")
        await self.settle()

    @property
    def is_alive(self) -> bool:
        """Whether a driver is at work."""
        return self._driving is not None

    async def settle(self) -> None:
        """Wait until the driver has nothing to do, or is gone."""
        idle = 0
        deadline_s = time.monotonic() + DEADLINE_S
        while self._driving is not None and idle < IDLE_TURNS:
            await asyncio.sleep(0)
            assert time.monotonic() < deadline_s, self._restless()
            if self._driving.done():
                await self._end_life()
            else:
                idle = 0 if self._is_busy() else idle + 1

    def _restless(self) -> str:
        """Say what keeps the driver from coming to rest."""
        engine, life = self._engine, self._life
        assert engine is not None
        assert life is not None
        return (
            f"no rest: {life.calls_under_way} calls under way, idle {engine.is_idle}, "
            f"live {sorted(engine.live_keys)}, running {sorted(self.running)}, {engine.state}"
        )

    def _is_busy(self) -> bool:
        engine, life = self._engine, self._life
        assert engine is not None
        assert life is not None
        is_starting = engine.live_keys != {(node_id, 0) for node_id in self.running}
        return not engine.is_idle or life.calls_under_way > 0 or is_starting

    async def _end_life(self) -> None:
        assert self._driving is not None
        outcome, self._driving = self._driving.result(), None
        if outcome is None:
            self._bury()
        else:
            self._count()
        assert not self.running, "something runs after its driver has gone"

    def _bury(self) -> None:
        self._count()
        bury(self.store, RUN_ID)

    def _count(self) -> None:
        assert self._life is not None
        self.commits += self._life.commits

    async def close(self) -> None:
        """Leave nothing behind."""
        if self._driving is not None:
            self._driving.cancel()
            await asyncio.wait([self._driving])
        self._witness.close()

    # What can happen

    @property
    def endable(self) -> list[str]:
        """Attempts that run and do not hang."""
        return sorted(node_id for node_id in self.running if not self._is_hanging(node_id))

    @property
    def may_time_pass(self) -> bool:
        """Whether something is due, and nothing that is to end by itself would be late for it."""
        return self.clock.next_due_ms is not None and not any(self.specs[one].hangs for one in self.endable)

    async def end_attempts(self, node_ids: list[str]) -> None:
        """Let attempts end as their specs say, all at once."""
        for node_id in node_ids:
            self.running[node_id].set_result(None)
        await self.settle()

    async def pass_time(self) -> None:
        """Go to the next due time, if any."""
        self.clock.jump()
        await self.settle()

    async def open_approvals(self) -> list[str]:
        """Approvals that wait and that nobody has answered yet."""
        answered = {row.node_id for row in await self.store.requests(RUN_ID)}
        waits = await self.store.waits(RUN_ID, WaitKind.APPROVAL)
        return [w.key[0] for w in waits if w.status is WaitStatus.OPEN and w.key[0] not in answered]

    async def decide(self, node_id: str) -> None:
        """A person answers an approval as its spec says; nobody may be there to hear it."""
        person = f"person {len(self.accepted)}"
        now_ms = self.clock.now_ms()
        decision = Decision(approved=not self.specs[node_id].is_denied, decided_by=person, decided_at_ms=now_ms)
        await self._outside.submit_decision(RUN_ID, node_id, None, decision)
        self.accepted.append(((node_id, 0), person))
        await self.settle()

    @property
    def sendable(self) -> list[str]:
        """Signals that somebody will send, whether or not they are awaited."""
        return sorted(name for name, data in self.unsent.items() if data)

    async def listening(self) -> list[str]:
        """Signals that are awaited and that nobody has sent."""
        waits = await self.store.waits(RUN_ID, WaitKind.SIGNAL)
        return [w.key[0] for w in waits if w.status is WaitStatus.OPEN and self.unsent[w.key[0]]]

    async def send(self, name: str) -> None:
        """Somebody sends a signal, which may be refused at the door."""
        signal = SignalReceived(name, self.unsent[name].pop(0), self.clock.now_ms())
        with suppress(InvalidRequest):
            await send_signal(self._outside, RUN_ID, signal)
        await self.settle()

    async def cancel(self) -> None:
        """Somebody cancels the run."""
        await request_cancel(self._outside, RUN_ID, clock=self.clock)
        self.is_cancel_accepted = True
        await self.settle()

    @property
    def _outside(self) -> Store:
        """The store as others in the driver's process have it; the same file when there is no driver."""
        return self._life if self._life is not None and self.is_alive else self.store

    async def status(self) -> RunStatus:
        """The run's status by its row."""
        return (await self.store.run(RUN_ID)).status

    # What tasks do

    def _function_of(self, spec: TaskSpec) -> Callable[..., Any]:
        async def work(*arguments: Any, secret: str | None = None) -> Any:
            assert secret == (SECRET_VALUE if spec.is_given_secret else None)
            await self._attempt(spec.id)
            return [spec.id, *arguments]

        return work

    async def _attempt(self, node_id: str) -> None:
        self._check_durable(node_id, task_context().attempt)
        assert node_id not in self.running, f"{node_id} runs twice at once"
        self.running[node_id] = asyncio.get_running_loop().create_future()
        self._check_limits()
        try:
            await self.running[node_id]
            if self._is_to_fail(node_id):
                raise self._error(node_id)
        finally:
            del self.running[node_id]

    def _check_durable(self, node_id: str, attempt: int) -> None:
        found = self._witness.execute(
            "SELECT 1 FROM events WHERE run_id = ? AND node_id = ? AND type = 'NodeStarted'"
            " AND json_extract(payload, '$.attempt') = ?",
            (RUN_ID, node_id, attempt),
        ).fetchone()
        assert found, f"{node_id} runs and its NodeStarted is not durable"

    def _check_limits(self) -> None:
        assert len(self.running) <= LIMIT, "more attempts than the run's limit"
        for inside, cap in self._caps:
            assert len(inside & self.running.keys()) <= cap, "more attempts than a parallel's limit"

    def _is_to_fail(self, node_id: str) -> bool:
        assert self._engine is not None
        return bool(self._engine.state.nodes[node_id, 0].failures < self.specs[node_id].failures)

    def _error(self, node_id: str) -> Exception:
        match self.specs[node_id].raises:
            case "permanent":
                return Permanent("drawn to fail for good")
            case "retry after":
                return RetryAfter(RETRY_AFTER_S, "drawn to fail for a while")
            case _:
                return SmithersError("drawn to fail")

    def _is_hanging(self, node_id: str) -> bool:
        return self.specs[node_id].hangs and self._is_to_fail(node_id)


async def _outcome(engine: Engine) -> RunStatus | None:
    """Drive; None when the process died."""
    try:
        return await engine.drive()
    except Died:
        return None


def _caps(spec: Spec) -> Any:
    """The ids inside of each parallel that has a limit, with that limit."""
    match spec:
        case BoxSpec(children=children, cap=cap):
            if cap is not None:
                yield {one.id for one in leaves(spec)}, cap
            for child in children:
                yield from _caps(child)
        case GroupSpec(inner=inner):
            yield from _caps(inner)
        case BranchSpec(then=then, otherwise=otherwise):
            yield from _caps(then)
            if otherwise is not None:
                yield from _caps(otherwise)
        case LazySpec(inner=inner):
            yield from _caps(inner)
        case _:
            pass


@asynccontextmanager
async def a_world(spec: Spec) -> AsyncIterator[World]:
    """A world in a folder of its own, in memory where there is such a folder."""
    folder = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with TemporaryDirectory(prefix="smithersd-test-", dir=folder) as name:
        async with open_store(Path(name) / "s.db") as store:
            world = World(spec, store)
            try:
                yield world
            finally:
                await world.close()

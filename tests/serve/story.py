"""A run told by hand: the tests say which event comes when, and it is committed as an engine would."""

from dataclasses import replace
from typing import Any

import pydantic_core

from smithersd.core.flow.step import FrameChange
from smithersd.core.kinds.approval import decision_event
from smithersd.core.kinds.timer import fired_event
from smithersd.core.log import events as e
from smithersd.core.log.events import Event
from smithersd.core.log.fold import RunState
from smithersd.core.log.journal import Journal
from smithersd.core.tree.frames import FrameTree
from smithersd.core.tree.reads import Readers
from smithersd.elements.kinds import OnDeny, TimerType
from smithersd.engine.lease.owner import own_text
from smithersd.engine.rows import batch_of
from smithersd.store import Store
from smithersd.store.records import Commit, NewRun, RequestKind, RequestRow
from smithersd.store.requests import decision_of, signal_of
from tests.support.waiting import until_async

FENCE = 1
START_MS = 1_700_000_000_000


class Story:
    """Plays the engine of one run, a commit at each call of `tell`."""

    def __init__(self, store: Store, run_id: str = "run-1") -> None:
        self.store = store
        self.run_id = run_id
        self.journal = Journal(RunState(run_id), Readers())
        self.journal.now_ms = START_MS
        self.tree = FrameTree()

    @property
    def state(self) -> RunState:
        return self.journal.state

    async def begin(self, *more: Event) -> "Story":
        """Start the run; this process holds its lease."""
        owner = own_text()
        new = NewRun("demo", None, None, "null", None, self.journal.now_ms, owner)
        self.journal.emit(e.RunStarted("demo"))
        self.journal.now_ms += 1
        await self._commit(*more, new_run=new)
        return self

    async def tell(self, *events: Event, applied: tuple[int, ...] = ()) -> None:
        """Commit events; time goes on by 10 ms."""
        self.journal.now_ms += 10
        await self._commit(*events, applied=applied)

    def frame(self, tree: dict[str, Any], **scopes: dict[str, Any] | None) -> Event:
        """Put a frame into the next commit and return its event."""
        changed = self.tree.changed({"": tree, **scopes})
        number = self.state.frame_no + 1
        self.journal.step.frames.append(FrameChange(number, self.tree.hash, changed, self.journal.now_ms))
        return e.FrameCommitted(number, self.tree.hash)

    def output(self, node_id: str, value: Any, *, iteration: int = 0) -> Event:
        """Put an output into the next commit and return the event that ends the node with it."""
        text = pydantic_core.to_json(value).decode()
        self.journal.step.outputs.append(((node_id, iteration), text, self.journal.now_ms))
        node = self.state.nodes.get((node_id, iteration))
        return e.NodeFinished(node_id, iteration, 1 if node is None else max(1, node.attempt))

    async def run_task(self, node_id: str, value: Any = "done", *, iteration: int = 0) -> None:
        """A task that appears, runs and finishes."""
        await self.tell(pending(node_id, iteration=iteration), e.NodeStarted(node_id, iteration, 1))
        await self.tell(self.output(node_id, value, iteration=iteration))

    async def ask(self, node_id: str = "approval", *, iteration: int = 0, **more: Any) -> None:
        """An approval that appears and waits."""
        asked = {"title": "Ship?", "summary": None, "metadata": None, "show": None, "on_deny": OnDeny.FAIL} | more
        await self.tell(
            pending(node_id, "approval", iteration=iteration),
            e.ApprovalRequested(node_id, iteration, **asked),
            e.NodeWaitingApproval(node_id, iteration),
        )

    async def wait_for_time(self, node_id: str = "timer", *, after_ms: int = 60_000) -> None:
        """A timer that appears and waits."""
        fires_at_ms = self.journal.now_ms + after_ms
        await self.tell(
            pending(node_id, "timer"),
            e.TimerCreated(node_id, 0, fires_at_ms, TimerType.DURATION),
            e.NodeWaitingTimer(node_id, 0, fires_at_ms),
        )

    async def left(self) -> list[RequestRow]:
        """Wait until others have left something for the run, and return it."""
        return await until_async(lambda: self.store.requests(self.run_id))

    async def apply_inbox(self) -> list[RequestRow]:
        """Apply what others have left for the run."""
        rows = await self.store.requests(self.run_id)
        for row in rows:
            await self._apply(row)
        return rows

    async def _apply(self, row: RequestRow) -> None:
        if row.kind is RequestKind.CANCEL:
            await self.tell(e.RunCancelled(), applied=(row.id,))
            return
        if row.kind is RequestKind.SIGNAL:
            await self.tell(signal_of(row), applied=(row.id,))
            return
        event: Event = (
            fired_event(self.state.nodes[row.wait_key], row.sender, self.journal.now_ms)
            if row.kind is RequestKind.FIRE
            else decision_event(row.wait_key, decision_of(row))
        )
        await self.tell(event, e.NodeFinished(*row.wait_key), applied=(row.id,))

    async def _commit(self, *events: Event, new_run: NewRun | None = None, applied: tuple[int, ...] = ()) -> None:
        for event in events:
            self.journal.emit(event)
        batch = batch_of(self.journal.take(), self.state)
        if self.state.status.is_final:
            batch = replace(batch, finished_at_ms=self.journal.now_ms)
        await self.store.commit(Commit(self.run_id, FENCE, batch, new_run=new_run, applied=applied))

    async def abandon(self) -> None:
        """Give the lease back: nobody drives the run."""
        await self.store.release_lease(self.run_id, FENCE)


def pending(node_id: str, kind: str = "task", *, iteration: int = 0, label: str | None = None) -> Event:
    return e.NodePending(node_id, iteration, kind, label)

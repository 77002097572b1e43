"""A run in a store that this process has open: an implementation of `client.Run`."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Unpack

import pydantic_core

from smithersd.client.run import DecisionFields, RequestStage
from smithersd.core.json_text import json_text
from smithersd.core.log.events import JsonValue, SignalReceived
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.elements import Decision
from smithersd.engine import Clock, SystemClock, request_cancel, run_info, send_signal, wait_until_applied
from smithersd.errors import NodeNotFound
from smithersd.feed import Encoded, Feed, LoggedEvent
from smithersd.query.approvals import PendingApproval, approval_of_node, undecided_approvals
from smithersd.query.frame_history import FrameHistory
from smithersd.query.json import Json
from smithersd.query.result import read_result
from smithersd.query.run_info import RunInfo
from smithersd.query.select import select_approval
from smithersd.query.snapshot import Snapshot, read_snapshot
from smithersd.query.stored_log import StoredLog, read_state
from smithersd.query.tree_order import TreeOrder
from smithersd.query.waits import PendingWait, pending_waits
from smithersd.store import Store
from smithersd.store.records import Submitted


class StoredRun:
    """A run in a store. It keeps nothing of the run in memory, so it is cheap to make."""

    def __init__(self, store: Store, run_id: str, *, clock: Clock | None = None) -> None:
        self._store = store
        self._run_id = run_id
        self._clock = clock or SystemClock()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run_id

    async def info(self) -> RunInfo:
        """Return the run's status and its driver."""
        return run_info(await self._store.run(self._run_id))

    async def state(self) -> RunState:
        """Return the run's state, folded from its events."""
        await self._store.run(self._run_id)
        return await read_state(self._store, self._run_id)

    async def snapshot(self) -> Snapshot:
        """Return everything about the run, as of one moment."""
        return await read_snapshot(self._store, await self.info())

    async def nodes(self) -> list[NodeRecord]:
        """Return the node iterations in tree order."""
        state = await self.state()
        ordered = await TreeOrder(self._store, self._run_id).of(state)
        return [state.nodes[key] for key in ordered.keys]

    async def node(self, node_id: str) -> list[NodeRecord]:
        """Return the iterations of a node with their attempts, ascending."""
        state = await self.state()
        iterations = sorted(key for key in state.nodes if key[0] == node_id)
        if not iterations:
            raise NodeNotFound(
                f"Run {self._run_id!r} has no node {node_id!r}.",
                remedy=f"`smithers inspect {self._run_id}` lists its nodes.",
            )
        return [state.nodes[key] for key in iterations]

    async def output(self, node_id: str, iteration: int) -> str | None:
        """Return the output of a node iteration as JSON text."""
        await self._store.run(self._run_id)
        return await self._store.output(self._run_id, node_id, iteration)

    async def result(self) -> str:
        """Return the run's result as JSON text."""
        return await read_result(self._store, await self.state())

    async def frames(self, *, after_frame_no: int | None = None, limit: int) -> list[Json]:
        """Return frames, the newest first; those after `after_frame_no` oldest first."""
        last = (await self.state()).frame_no
        history = FrameHistory(self._store, self._run_id)
        if after_frame_no is None:
            page = await history.newest(last_frame_no=last, limit=limit)
        else:
            page = await history.after(after_frame_no, last_frame_no=last, limit=limit)
        return [pydantic_core.from_json(frame) for frame in page]

    async def events(self, *, after_seq: int = -1) -> AsyncIterator[Sequence[Encoded]]:
        """Yield the events after a seq in order, page by page, up to the log's current end."""
        last_seq = (await self._store.run(self._run_id)).last_seq
        while after_seq < last_seq and (rows := await self._store.events(self._run_id, after_seq=after_seq)):
            yield [Encoded(row.seq, row.type, row.node_id, _data(row)) for row in rows]
            after_seq = rows[-1].seq

    @asynccontextmanager
    async def follow(self, *, after_seq: int = -1) -> AsyncIterator[AsyncIterator[Sequence[Encoded]]]:
        """Yield the events after a seq in batches, as they are written, until the run has ended."""
        await self._store.run(self._run_id)
        feed = Feed(StoredLog(self._store, self._run_id), encode=_data)
        async with feed.follow(after_seq) as follower:

            async def batches() -> AsyncIterator[Sequence[Encoded]]:
                while batch := await follower.take():
                    yield batch

            yield batches()

    async def waits(self) -> list[PendingWait]:
        """Return everything that the run waits for, the longest waiting first."""
        return pending_waits(await self.state())

    async def approvals(self) -> list[PendingApproval]:
        """Return the approvals that are pending and not decided yet, the longest waiting first."""
        await self._store.run(self._run_id)
        return await undecided_approvals(self._store, self._run_id)

    async def approval(self, node_id: str, *, iteration: int | None = None) -> PendingApproval:
        """Return a node's approval, pending or decided; without an iteration, the last one that was requested."""
        await self._store.run(self._run_id)
        return await approval_of_node(self._store, self._run_id, node_id, iteration)

    async def select_approval(self) -> NodeKey:
        """Return the only pending approval; if none is pending, the one that was decided last."""
        await self._store.run(self._run_id)
        return await select_approval(self._store, self._run_id)

    async def approve(self, node_id: str, **decision: Unpack[DecisionFields]) -> RequestStage:
        """Approve a node's pending approval; the run continues at once."""
        return await self._decide(node_id, decision, is_approval=True)

    async def deny(self, node_id: str, **decision: Unpack[DecisionFields]) -> RequestStage:
        """Deny a node's pending approval; its on_deny says what follows."""
        return await self._decide(node_id, decision, is_approval=False)

    async def cancel(self, *, requested_by: str | None = None) -> RequestStage:
        """Cancel the run; a repeated request changes nothing."""
        return await self._applied(await request_cancel(self._store, self._run_id, by=requested_by, clock=self._clock))

    async def fire(self, node_id: str, *, iteration: int | None = None, fired_by: str | None = None) -> RequestStage:
        """Fire a timer now; one that has fired is left as it is."""
        now_ms = self._clock.now_ms()
        return await self._applied(
            await self._store.submit_fire(self._run_id, node_id, iteration, created_at_ms=now_ms, sender=fired_by)
        )

    async def signal(
        self, name: str, data: JsonValue = None, *, key: str | None = None, sent_by: str | None = None
    ) -> RequestStage:
        """Send the run a signal; the node that waits for this name and key takes it, or the first that will."""
        sent = SignalReceived(name, json.loads(json_text(data)), self._clock.now_ms(), key, sent_by)
        return await self._applied(await send_signal(self._store, self._run_id, sent))

    async def _decide(self, node_id: str, fields: DecisionFields, *, is_approval: bool) -> RequestStage:
        decision = Decision(
            approved=is_approval,
            note=fields.get("note"),
            decided_by=fields.get("decided_by"),
            decided_at_ms=self._clock.now_ms(),
            decision=json.loads(json_text(fields.get("decision"))),
        )
        submitted = await self._store.submit_decision(self._run_id, node_id, fields.get("iteration"), decision)
        return await self._applied(submitted)

    async def _applied(self, submitted: Submitted) -> RequestStage:
        """Wait until the request is applied, if a driver is there to do so; return how far it has come."""
        if submitted.request_id is None:
            return RequestStage.REPEATED
        await wait_until_applied(self._store, submitted)
        is_waiting = await self._store.is_request_left(self._run_id, submitted.request_id)
        return RequestStage.ACCEPTED if is_waiting else RequestStage.APPLIED


def _data(event: LoggedEvent) -> bytes:
    return event.payload.encode()

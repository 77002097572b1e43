"""What must hold of every run in every store: the log is dense and well-formed, and the tables say what it says.

`check_run` is for a run that may be driven meanwhile; it looks again until it has seen one state of it.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smithersd.core.log import events
from smithersd.core.log.event_json import decode, encode
from smithersd.core.log.events import TERMINAL_TYPES, Recorded
from smithersd.core.log.fold import RunState, fold
from smithersd.core.log.records import NodeKey, WaitRecord
from smithersd.core.log.states import NodeState, RunStatus, WaitKind, WaitStatus
from smithersd.core.tree.frames import FrameTree
from smithersd.engine import is_driven
from smithersd.store import Store
from smithersd.store.records import EventRow, FrameRow, OutputRow, RequestRow, RunRow

RUNS_MAX = 1_000
VIEWED_NODES_MAX = 200
"""Runs with more nodes are not looked at through the views, which cost too much there."""


@dataclass(frozen=True)
class Tables:
    """Everything that a store holds of one run."""

    run: RunRow
    events: list[EventRow]
    outputs: list[OutputRow]
    frames: list[FrameRow]
    waits: list[WaitRecord]
    requests: list[RequestRow]


async def check_store(store: Store) -> None:
    """Check every run of a store."""
    for row in await store.runs(limit=RUNS_MAX):
        await check_run(store, row.run_id)


async def check_run(store: Store, run_id: str) -> RunState:
    """Check a run; return its state as the log tells it."""
    tables = await read_tables(store, run_id)
    log = [Recorded(row.seq, row.timestamp_ms, decode(row.payload)) for row in tables.events]
    _check_log(log, tables)
    state = fold(run_id, log)
    _check_row(state, tables.run)
    _check_outputs(state, tables.outputs)
    _check_frames(state, tables.frames)
    _check_waits(state, tables.waits)
    if state.result is not None:
        assert state.status is RunStatus.FINISHED, "a run that did not finish has a result"
        assert state.nodes[state.result].has_output, f"the result is the output of {state.result}, which has none"
    _check_signals(state, log)
    if state.status.is_final:
        assert not tables.requests, f"{run_id} has ended and {tables.requests} is without effect"
    is_at_rest = not is_driven(tables.run)  # else the views may show what came after our reading
    if is_at_rest and store.url.startswith("sqlite:///") and len(state.nodes) <= VIEWED_NODES_MAX:
        _check_views(state, store.url.removeprefix("sqlite:///"))
    return state


async def read_tables(store: Store, run_id: str) -> Tables:
    """Read all of a run as of one moment."""
    while True:
        before = await store.run(run_id)
        rows: list[EventRow] = []
        while page := await store.events(run_id, after_seq=rows[-1].seq if rows else -1):
            rows += page
        outputs, frames = await store.outputs(run_id), await store.frames(run_id)
        waits = [wait for kind in WaitKind for wait in await store.waits(run_id, kind)]
        requests = await store.requests(run_id)
        run = await store.run(run_id)
        if run.last_seq == before.last_seq and run.status is before.status:
            return Tables(run, rows, outputs, frames, waits, requests)


def _check_log(log: Sequence[Recorded], tables: Tables) -> None:
    assert [one.seq for one in log] == list(range(len(log))), "seq is not dense from 0"
    assert isinstance(log[0].event, events.RunStarted)
    assert sum(isinstance(one.event, events.RunStarted) for one in log) == 1
    terminal = [one.seq for one in log if type(one.event).__name__ in TERMINAL_TYPES]
    is_final = tables.run.status.is_final
    assert terminal == ([len(log) - 1] if is_final else []), f"the terminal events of a {tables.run.status} run"
    for one, row in zip(log, tables.events, strict=True):
        assert (row.type, row.node_id) == (type(one.event).__name__, getattr(one.event, "node_id", None))
        assert encode(one.event, tables.run.run_id, row.timestamp_ms) == row.payload, (
            "an event does not survive reading"
        )
    _check_nodes(log)


def _check_nodes(log: Sequence[Recorded]) -> None:  # noqa: C901 - one arm an event
    """What has ended never starts again; one attempt runs at a time, numbered from 1; a node asks, then waits."""
    running: dict[NodeKey, int] = {}
    attempts: dict[NodeKey, int] = {}
    ended: set[NodeKey] = set()
    put_off: set[NodeKey] = set()
    asked: set[NodeKey] = set()
    for one in log:
        event: Any = one.event
        if not hasattr(event, "node_id") or isinstance(event, events.BranchDecided):
            continue
        key = (event.node_id, event.iteration)
        match event:
            case events.NodeStarted():
                assert key not in ended, f"{key} had ended and started again"
                assert key not in running, f"{key} started twice at once"
                attempts[key] = attempts.get(key, 0) + 1
                assert event.attempt == attempts[key], f"{key} counts its attempts wrongly"
                running[key] = event.attempt
            case events.ApprovalRequested():
                asked.add(key)
            case events.NodeWaitingApproval():
                assert key in asked, f"{key} waits without having asked"
            case events.NodeFinished() | events.NodeFailed() | events.NodeCancelled() | events.NodeInterrupted():
                assert running.pop(key, None) == event.attempt, f"{key} ended an attempt that did not run"
                if isinstance(event, events.NodeFailed) and not event.is_final:
                    put_off.add(key)
                elif not isinstance(event, events.NodeInterrupted):
                    assert key not in ended, f"{key} ended twice"
                    ended.add(key)
            case events.NodeSkipped():
                ended.add(key)
            case events.NodeRetrying():
                assert event.attempt == attempts[key] + 1, f"{key} is to be tried again out of turn"
                assert key not in ended, f"{key} has failed for good and is tried again"
                put_off.discard(key)  # one that backs off already may be given another time
            case events.NodeOutput() | events.NodeProgress() | events.TaskHeartbeat():
                assert running.get(key) == event.attempt, f"{key} says something while it does not run"
            case _:
                pass
    assert not put_off, f"{put_off} have failed, not for good, and no retry follows"


def _check_row(state: RunState, row: RunRow) -> None:
    assert row.status is state.status
    assert row.last_seq == state.last_seq
    assert row.workflow_name == state.workflow_name
    assert row.from_run_id == state.from_run_id
    assert row.created_at_ms == state.started_at_ms
    assert row.finished_at_ms == state.finished_at_ms
    error = None if state.error is None else [state.error.code, state.error.name, state.error.message]
    assert (None if row.error is None else list(json.loads(row.error).values())) == error
    assert sum(state.summary.values()) == len(state.nodes)
    if state.status.is_final:
        assert row.owner is None, "an ended run is still leased"
        assert not any(node.state is NodeState.IN_PROGRESS or node.state.is_waiting for node in state.nodes.values())


def _check_outputs(state: RunState, rows: Sequence[OutputRow]) -> None:
    finished = {key: node.finished_at_ms for key, node in state.nodes.items() if node.has_output}
    assert {(row.node_id, row.iteration): row.created_at_ms for row in rows} == finished
    for row in rows:
        json.loads(row.output)


def _check_frames(state: RunState, rows: Sequence[FrameRow]) -> None:
    assert [row.frame_no for row in rows] == list(range(1, state.frame_no + 1))
    tree = FrameTree()
    for row in rows:
        tree.apply(row.scopes)
        assert tree.hash == row.hash, f"frame {row.frame_no} is not what its hash says"
    assert state.frame_hash == tree.hash
    assert len(set(tree.node_ids())) == len(tree.node_ids())


def _check_waits(state: RunState, waits: Sequence[WaitRecord]) -> None:
    told = {(*wait.key, wait.kind): wait for node in state.nodes.values() for wait in node.waits.values()}
    assert {(*wait.key, wait.kind): wait for wait in waits} == told
    open_keys = {wait.key for wait in waits if wait.status is WaitStatus.OPEN}
    assert open_keys == {node.key for node in state.nodes.values() if node.state.is_waiting}
    for wait in waits:
        node = state.nodes[wait.key]
        if node.kind == "approval":
            assert not node.attempts, "an approval has no attempts"


def _check_signals(state: RunState, log: Sequence[Recorded]) -> None:
    """Each signal was delivered once, refused once, or is kept."""
    received = {one.seq for one in log if isinstance(one.event, events.SignalReceived)}
    taken = [
        one.event.signal_seq for one in log if isinstance(one.event, events.SignalDelivered | events.SignalRefused)
    ]
    kept = {signal.seq for signals in state.signals.by_address.values() for signal in signals}
    assert len(taken) == len(set(taken)), "a signal was delivered twice"
    assert kept == received - set(taken)
    assert state.signals.count == len(kept)


def _check_views(state: RunState, path: str) -> None:
    """The views for SQL users tell the same states."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        kept = connection.execute("SELECT signals_kept FROM runs WHERE run_id = ?", (state.run_id,)).fetchone()
        assert kept == (state.signals.count,)
        nodes = connection.execute("SELECT node_id, iteration, state FROM nodes WHERE run_id = ?", (state.run_id,))
        assert {(n, i): s for n, i, s in nodes} == {key: node.state.value for key, node in state.nodes.items()}
        rows = connection.execute(
            "SELECT node_id, iteration, attempt, state FROM attempts WHERE run_id = ?", (state.run_id,)
        )
        told = {(*key, a.attempt): a.state.value for key, node in state.nodes.items() for a in node.attempts}
        assert {(n, i, a): s for n, i, a, s in rows} == told
    finally:
        connection.close()

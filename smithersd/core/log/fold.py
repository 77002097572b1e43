"""fold(events) -> RunState: rebuild the state of a run from its log.

Everything that a user can see of a run's state can be rebuilt from its log by this fold. It depends on nothing but the
events: no tree, no clock, no store. The engine applies each event when it decides it; readers apply the same events
later. `core/log/transitions.py` says which event may follow and to which state it leads; the fold refuses any other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from smithersd.core.log import events
from smithersd.core.log.events import Event, Recorded
from smithersd.core.log.reading import log_damaged
from smithersd.core.log.records import FIRST_ITERATION, AttemptRecord, BranchRecord, NodeKey, NodeRecord, WaitRecord
from smithersd.core.log.signals import KeptSignals, SignalAddress, address_of
from smithersd.core.log.states import AttemptState, Interruption, NodeState, RunStatus, WaitKind, WaitStatus
from smithersd.core.log.transitions import TRANSITIONS, Move, Transition, WaitMove
from smithersd.core.log.waits import waits_after
from smithersd.errors import ErrorInfo, StoreInvalid


@dataclass(slots=True)
class RunState:
    """The state of a run. `last_seq` is -1 before the first event; `waits` is in the order in which waits began.

    `result` is the node whose output is the result, once the run has finished with one.
    """

    run_id: str
    workflow_name: str = ""
    status: RunStatus = RunStatus.RUNNING
    from_run_id: str | None = None
    redo: tuple[str, ...] = ()
    started_at_ms: int | None = None
    times_out_at_ms: int | None = None
    finished_at_ms: int | None = None
    error: ErrorInfo | None = None
    result: NodeKey | None = None
    last_seq: int = -1
    frame_no: int = 0
    frame_hash: str | None = None
    nodes: dict[NodeKey, NodeRecord] = field(default_factory=dict)
    counts: dict[NodeState, int] = field(default_factory=dict)
    branches: dict[NodeKey, BranchRecord] = field(default_factory=dict)
    latest_keys: dict[str, NodeKey] = field(default_factory=dict)
    waits: dict[NodeKey, WaitRecord] = field(default_factory=dict)
    signals: KeptSignals = field(default_factory=KeptSignals)

    def apply(self, recorded: Recorded) -> None:
        """Apply the next event of the log.

        Raises:
            StoreInvalid: the event cannot follow the events before it. The state is unchanged.
        """
        event: Any = recorded.event
        transition = TRANSITIONS[type(event)]
        status = self.status if self.last_seq >= 0 else None
        if recorded.seq != self.last_seq + 1 or status not in transition.run.sources:
            raise _damaged(self, recorded)
        if transition.node is None:
            if transition.run.choices and event.status not in transition.run.choices:
                raise _damaged(self, recorded)
            _apply_to_run(self, event, transition, recorded.timestamp_ms)
        else:
            key = (event.node_id, event.iteration)
            node = self.nodes.get(key)
            if (None if node is None else node.state) not in transition.node.sources:
                raise _damaged(self, recorded)
            if node is None:
                _mount(self, key, event)
            elif _fits(self, node, event, transition):
                _apply_to_node(self, node, event, transition, recorded.timestamp_ms)
            else:
                raise _damaged(self, recorded)
        self.last_seq = recorded.seq

    def latest(self, node_id: str) -> NodeRecord | None:
        """Return the latest iteration of a node, or None if the run does not have the node."""
        key = self.latest_keys.get(node_id)
        return None if key is None else self.nodes[key]

    @property
    def waiting(self) -> list[WaitRecord]:
        """The open waits of the run, in the order in which they began."""
        return list(self.waits.values())

    @property
    def awaiting_approval(self) -> list[NodeRecord]:
        """The nodes that wait for an approval, in the order in which they asked."""
        return [self.nodes[wait.key] for wait in self.waits.values() if wait.kind is WaitKind.APPROVAL]

    @property
    def summary(self) -> dict[str, int]:
        """The number of node iterations by state; states without any are left out."""
        return {state.value: count for state, count in self.counts.items() if count}

    def in_tree_order(self, node_ids: Iterable[str]) -> list[NodeKey]:
        """Return all node iterations in the order of a tree's node ids; those that the tree lacks come last."""
        places = {node_id: place for place, node_id in enumerate(node_ids)}
        return sorted(self.nodes, key=lambda key: (places.get(key[0], len(places)), key[1]))

    def count(self, state: NodeState) -> int:
        """Return the number of node iterations in a state."""
        return self.counts.get(state, 0)


def fold(run_id: str, recorded: Iterable[Recorded]) -> RunState:
    """Rebuild a run's state from its log, given in order of seq.

    Raises:
        StoreInvalid: the log is damaged; the message says at which seq.
    """
    state = RunState(run_id)
    for event in recorded:
        state.apply(event)
    return state


_RunEvent = (
    events.RunStarted
    | events.RunResumed
    | events.RunStatusChanged
    | events.RunSuspended
    | events.RunFinished
    | events.RunFailed
    | events.RunCancelled
    | events.FrameCommitted
    | events.BranchDecided
    | events.SignalReceived
)


def _apply_to_run(  # noqa: C901 - one arm an event
    run: RunState, event: _RunEvent, transition: Transition, now_ms: int
) -> None:
    match event:
        case events.FrameCommitted():
            run.frame_no, run.frame_hash = event.frame_no, event.hash
        case events.BranchDecided():
            run.branches[event.node_id, event.iteration] = BranchRecord(event.value, event.reads or ())
        case events.SignalReceived():
            run.signals.keep(run.last_seq + 1, event)
        case events.RunStatusChanged():
            run.status = event.status
        case events.RunStarted():
            run.workflow_name, run.started_at_ms = event.workflow_name, now_ms
            run.from_run_id, run.redo = event.from_run_id, event.redo or ()
            run.times_out_at_ms = event.times_out_at_ms
        case events.RunFailed():
            run.finished_at_ms, run.error = now_ms, event.error
        case events.RunFinished(node_id, iteration):
            run.finished_at_ms = now_ms
            run.result = None if node_id is None else (node_id, iteration or FIRST_ITERATION)
        case events.RunCancelled():
            run.finished_at_ms = now_ms
        case events.RunResumed():
            run.times_out_at_ms = event.times_out_at_ms
        case events.RunSuspended():
            pass
        case _:
            assert_never(event)
    run.status = transition.run.target or run.status


def _apply_to_node(  # noqa: C901, PLR0912 - one arm an event
    run: RunState, node: NodeRecord, event: Event, transition: Transition, now_ms: int
) -> None:
    assert transition.node is not None
    target = transition.node.target
    if target is not None:
        counts = run.counts
        counts[node.state] -= 1
        counts[target] = counts.get(target, 0) + 1
        node.state = target
        if run.waits:
            run.waits.pop(node.key, None)
    if transition.wait is not None:
        _apply_to_waits(run, node, event, transition.wait, now_ms)
    match event:
        case events.NodeStarted():
            _start_attempt(node, event.attempt, now_ms)
        case events.NodeFinished():
            node.reused_from, node.error = event.reused_from, None
            _end(node, event.attempt, transition, now_ms)
        case events.SignalDelivered() | events.SignalRefused():
            run.signals.take_first(_address(node))
        case events.TaskHeartbeat():
            node.attempts[-1].heartbeat = event.data
        case events.NodePending():
            node.kind, node.label = event.kind, event.label
        case events.NodeSkipped():
            _end(node, None, transition, now_ms)
        case events.NodeCancelled():
            _end(node, event.attempt, transition, now_ms)
        case events.NodeFailed():
            _fail(node, event, transition, now_ms)
        case events.NodeRetrying():
            _await_retry(run, node, event, now_ms)
        case events.NodeInterrupted():
            _interrupt(node, event, transition, now_ms)
        case _:
            pass  # it only changes states and waits, as the table of transitions says


def _mount(run: RunState, key: NodeKey, event: events.NodePending) -> None:
    run.latest_keys[event.node_id] = key
    run.nodes[key] = NodeRecord(event.node_id, event.iteration, event.kind, event.label)
    run.counts[NodeState.PENDING] = run.counts.get(NodeState.PENDING, 0) + 1


def _start_attempt(node: NodeRecord, attempt: int, now_ms: int) -> None:
    node.attempts.append(AttemptRecord(attempt, AttemptState.IN_PROGRESS, now_ms))
    node.retry_at_ms = None
    if node.started_at_ms is None:
        node.started_at_ms = now_ms


def _end(node: NodeRecord, attempt: int | None, transition: Transition, now_ms: int) -> None:
    """Record the end of a node and of the attempt that the event names."""
    node.finished_at_ms = now_ms
    node.retry_at_ms = None
    if attempt is not None:
        _end_attempt(node, transition, now_ms)


def _end_attempt(node: NodeRecord, transition: Transition, now_ms: int) -> AttemptRecord:
    attempt, move = node.attempts[-1], transition.attempt
    assert move is not None
    assert move.target is not None
    attempt.state, attempt.finished_at_ms = move.target, now_ms
    return attempt


def _fail(node: NodeRecord, event: events.NodeFailed, transition: Transition, now_ms: int) -> None:
    _end(node, event.attempt, transition, now_ms)
    node.error = event.error
    if event.attempt is not None:
        node.attempts[-1].error = event.error
        node.failures += 1
        node.crashes_in_row = 0


def _await_retry(run: RunState, node: NodeRecord, event: events.NodeRetrying, now_ms: int) -> None:
    node.finished_at_ms = None
    node.retry_at_ms = event.retry_at_ms
    run.waits[node.key] = WaitRecord(node.key, WaitKind.RETRY, event, now_ms, event.retry_at_ms)


def _interrupt(node: NodeRecord, event: events.NodeInterrupted, transition: Transition, now_ms: int) -> None:
    _end_attempt(node, transition, now_ms).interruption = event.reason
    if event.reason is Interruption.CRASH:
        node.crashes_in_row += 1


def _address(node: NodeRecord) -> SignalAddress:
    """What a node waits for."""
    request = node.waits[WaitKind.SIGNAL].request
    assert isinstance(request, events.NodeWaitingEvent)
    return address_of(request)


def _apply_to_waits(run: RunState, node: NodeRecord, event: Event, move: WaitMove, now_ms: int) -> None:
    for wait in waits_after(node.waits, node.key, event, now_ms):
        node.waits[wait.kind] = wait
    if node.state.is_waiting and move.kind is not None:
        run.waits.pop(node.key, None)  # a question that is asked again goes to the end
        run.waits[node.key] = node.waits[move.kind]


# What cannot follow


def _fits(run: RunState, node: NodeRecord, event: Any, transition: Transition) -> bool:
    """Return whether an event may follow, as far as its node's latest attempt, wait and signals are concerned."""
    if transition.attempt is not None:
        if node.state is NodeState.IN_PROGRESS:
            return bool(event.attempt == node.attempts[-1].attempt)
        expected = node.attempt + 1 if type(event) is events.NodeStarted else None
        return bool(event.attempt == expected)
    if transition.wait is not None:
        is_waited_for = _wait_status(node, transition.wait) in transition.wait.sources
        return is_waited_for and _is_next_signal(run, node, event)
    return type(event) is not events.NodeRetrying or event.attempt == node.attempt + 1


def _is_next_signal(run: RunState, node: NodeRecord, event: Any) -> bool:
    """Whether the signal that an event brings is the oldest one for the node; true of an event that brings none."""
    if not isinstance(event, events.SignalDelivered | events.SignalRefused):
        return True
    kept = run.signals.first(_address(node))
    return kept is not None and kept.seq == event.signal_seq


def _wait_status(node: NodeRecord, move: WaitMove) -> WaitStatus | None:
    wait = None if move.kind is None else node.waits.get(move.kind)
    return None if wait is None else wait.status


def _damaged(run: RunState, recorded: Recorded) -> StoreInvalid:
    return log_damaged(run.run_id, recorded.seq, why_refused(run, recorded))


def why_refused(run: RunState, recorded: Recorded) -> str:
    """Return why an event that `RunState.apply` has refused cannot follow the events before it."""
    event: Any = recorded.event
    name, transition = type(event).__name__, TRANSITIONS[type(event)]
    if recorded.seq != run.last_seq + 1:
        return f"seq {run.last_seq + 1} was expected"
    if run.last_seq < 0:
        return f"{name} before RunStarted"
    if run.status not in transition.run.sources:
        return f"{name} from {run.status}"
    if transition.node is None:
        return f"{name} to {event.status}"
    return f"{name} of {event.node_id!r} {_why_node_refused(run, event, transition.node, transition)}"


def _why_node_refused(run: RunState, event: Any, move: Move[NodeState], transition: Transition) -> str:
    node = run.nodes.get((event.node_id, event.iteration))
    if node is None:
        return "before NodePending"
    if node.state not in move.sources:
        return f"from {node.state}"
    if transition.wait is not None and transition.attempt is None:
        status = _wait_status(node, transition.wait)
        if status in transition.wait.sources:
            return f"with signal {event.signal_seq}, which is not the next one for it"
        return f"before it asked for its {transition.wait.kind}" if status is None else f"while that wait is {status}"
    return f"with attempt {event.attempt}, while the latest is {node.attempt} ({node.state})"

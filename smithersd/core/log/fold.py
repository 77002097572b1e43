"""fold(events) -> RunState: the only place that says which event leads to which state.

Whatever a user can see of a run's state can be rebuilt from its log by this fold. It looks at nothing but the events:
no tree, no clock, no store. The engine applies each event as it decides it; every reader applies the same events later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from smithersd.core.log import events
from smithersd.core.log.events import JsonValue, Recorded
from smithersd.core.log.states import AttemptState, Interruption, NodeState, RunStatus
from smithersd.elements.kinds import OnDeny
from smithersd.errors import ErrorInfo

NodeKey = tuple[str, int]
"""The unit of state: (node id, iteration)."""

FIRST_ITERATION = 0
"""The iteration of what stands in no loop."""


@dataclass(slots=True)
class AttemptRecord:
    """One try of a task or shell node; numbered from 1."""

    attempt: int
    state: AttemptState
    started_at_ms: int
    finished_at_ms: int | None = None
    error: ErrorInfo | None = None
    interruption: Interruption | None = None
    heartbeat: JsonValue = None


@dataclass(slots=True)
class ApprovalRecord:
    """What a node asks of a person, and the answer once it is there (`is_granted` is None until then)."""

    title: str
    summary: str | None
    metadata: JsonValue
    show: str | None
    on_deny: OnDeny
    requested_at_ms: int
    is_granted: bool | None = None
    note: str | None = None
    decided_by: str | None = None
    decision: JsonValue = None
    decided_at_ms: int | None = None


@dataclass(slots=True)
class NodeRecord:
    """Everything that the log says about one node iteration."""

    node_id: str
    iteration: int
    kind: str
    label: str | None
    state: NodeState = NodeState.PENDING
    attempts: list[AttemptRecord] = field(default_factory=list)
    failures: int = 0
    crashes_in_row: int = 0
    retry_at_ms: int | None = None
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    error: ErrorInfo | None = None
    gate: ApprovalRecord | None = None
    reused_from: str | None = None

    @property
    def key(self) -> NodeKey:
        """The node's place in `RunState.nodes`."""
        return (self.node_id, self.iteration)

    @property
    def attempt(self) -> int:
        """The number of the latest attempt, 0 before the first."""
        return self.attempts[-1].attempt if self.attempts else 0

    @property
    def has_begun(self) -> bool:
        """Whether the flow has done anything with it: tried, asked, skipped or taken over."""
        is_untouched = self.state in {NodeState.PENDING, NodeState.CANCELLED} and self.gate is None
        return bool(self.attempts) or not is_untouched

    @property
    def has_output(self) -> bool:
        """Whether the node ended with an output."""
        return self.state is NodeState.FINISHED

    @property
    def last_heartbeat(self) -> JsonValue:
        """The data of the latest heartbeat of any attempt: the next attempt's checkpoint."""
        return next((a.heartbeat for a in reversed(self.attempts) if a.heartbeat is not None), None)


@dataclass(frozen=True, slots=True)
class BranchRecord:
    """What was decided at a branch, and the nodes that its condition looked at."""

    value: bool
    reads: tuple[str, ...]


@dataclass(slots=True)
class RunState:
    """A run as its log tells it. `last_seq` is -1 before the first event."""

    run_id: str
    workflow_name: str = ""
    status: RunStatus = RunStatus.RUNNING
    from_run_id: str | None = None
    redo: tuple[str, ...] = ()
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    error: ErrorInfo | None = None
    last_seq: int = -1
    frame_no: int = 0
    frame_hash: str | None = None
    nodes: dict[NodeKey, NodeRecord] = field(default_factory=dict)
    counts: dict[NodeState, int] = field(default_factory=dict)
    branches: dict[NodeKey, BranchRecord] = field(default_factory=dict)
    latest_keys: dict[str, NodeKey] = field(default_factory=dict)

    def apply(self, recorded: Recorded) -> None:
        """Take in the next event of the log."""
        self.last_seq = recorded.seq
        _apply(self, recorded.event, recorded.timestamp_ms)

    def latest(self, node_id: str) -> NodeRecord | None:
        """Return the latest iteration of a node, None for a node that the run does not have."""
        key = self.latest_keys.get(node_id)
        return None if key is None else self.nodes[key]

    @property
    def summary(self) -> dict[str, int]:
        """Node iterations by state, states without any left out."""
        return {state.value: count for state, count in self.counts.items() if count}

    def in_tree_order(self, node_ids: Iterable[str]) -> list[NodeKey]:
        """Return all node iterations as a tree orders its node ids; those that the tree has dropped come last."""
        places = {node_id: place for place, node_id in enumerate(node_ids)}
        return sorted(self.nodes, key=lambda key: (places.get(key[0], len(places)), key[1]))

    def count(self, state: NodeState) -> int:
        """How many node iterations are in a state."""
        return self.counts.get(state, 0)


def fold(run_id: str, recorded: Iterable[Recorded]) -> RunState:
    """Rebuild a run's state from its log, given in order of seq."""
    state = RunState(run_id)
    for one in recorded:
        state.apply(one)
    return state


def _apply(run: RunState, event: events.Event, now_ms: int) -> None:  # noqa: C901, PLR0912 - one arm an event
    match event:
        case events.NodeStarted():
            _start_attempt(run, event, now_ms)
        case events.NodeFinished():
            _finish(run, event, now_ms)
        case events.NodeOutput() | events.NodeProgress():
            pass
        case events.TaskHeartbeat():
            _node(run, event).attempts[-1].heartbeat = event.data
        case events.NodePending():
            _mount(run, event)
        case events.NodeSkipped():
            _end(run, _node(run, event), NodeState.SKIPPED, now_ms)
        case events.NodeFailed():
            _fail(run, event, now_ms)
        case events.NodeRetrying():
            _await_retry(run, event)
        case events.NodeInterrupted():
            _interrupt(run, event, now_ms)
        case events.NodeCancelled():
            _cancel(run, event, now_ms)
        case events.ApprovalRequested():
            _node(run, event).gate = asked(event, now_ms)
        case events.NodeWaitingApproval():
            _move(run, _node(run, event), NodeState.WAITING_APPROVAL)
        case events.ApprovalGranted() | events.ApprovalDenied():
            _decide(run, event)
        case events.BranchDecided():
            run.branches[event.node_id, event.iteration] = BranchRecord(event.value, event.reads or ())
        case events.FrameCommitted():
            run.frame_no, run.frame_hash = event.frame_no, event.hash
        case events.RunStarted():
            run.workflow_name, run.started_at_ms = event.workflow_name, now_ms
            run.from_run_id, run.redo = event.from_run_id, event.redo or ()
        case events.RunResumed():
            run.status = RunStatus.RUNNING
        case events.RunStatusChanged():
            run.status = event.status
        case events.RunSuspended():
            run.status = RunStatus.SUSPENDED
        case events.RunFinished():
            run.status, run.finished_at_ms = RunStatus.FINISHED, now_ms
        case events.RunFailed():
            run.status, run.finished_at_ms, run.error = RunStatus.FAILED, now_ms, event.error
        case events.RunCancelled():
            run.status, run.finished_at_ms = RunStatus.CANCELLED, now_ms
        case _:
            assert_never(event)


_NodeEvent = (
    events.NodeStarted
    | events.NodeFinished
    | events.NodeSkipped
    | events.NodeFailed
    | events.NodeRetrying
    | events.NodeInterrupted
    | events.NodeCancelled
    | events.NodeWaitingApproval
    | events.TaskHeartbeat
    | events.ApprovalRequested
    | events.ApprovalGranted
    | events.ApprovalDenied
)


def _node(run: RunState, event: _NodeEvent) -> NodeRecord:
    return run.nodes[event.node_id, event.iteration]


def _move(run: RunState, node: NodeRecord, state: NodeState) -> None:
    counts = run.counts
    counts[node.state] -= 1
    counts[state] = counts.get(state, 0) + 1
    node.state = state


def _end(run: RunState, node: NodeRecord, state: NodeState, now_ms: int) -> None:
    _move(run, node, state)
    node.finished_at_ms = now_ms
    node.retry_at_ms = None


def _end_attempt(node: NodeRecord, state: AttemptState, now_ms: int) -> AttemptRecord:
    attempt = node.attempts[-1]
    attempt.state, attempt.finished_at_ms = state, now_ms
    return attempt


def _mount(run: RunState, event: events.NodePending) -> None:
    key = (event.node_id, event.iteration)
    known = run.nodes.get(key)
    if known is not None:
        known.kind, known.label = event.kind, event.label
        return
    run.latest_keys[event.node_id] = key
    run.nodes[key] = NodeRecord(event.node_id, event.iteration, event.kind, event.label)
    run.counts[NodeState.PENDING] = run.counts.get(NodeState.PENDING, 0) + 1


def _start_attempt(run: RunState, event: events.NodeStarted, now_ms: int) -> None:
    node = _node(run, event)
    node.attempts.append(AttemptRecord(event.attempt, AttemptState.IN_PROGRESS, now_ms))
    node.retry_at_ms = None
    if node.started_at_ms is None:
        node.started_at_ms = now_ms
    _move(run, node, NodeState.IN_PROGRESS)


def _finish(run: RunState, event: events.NodeFinished, now_ms: int) -> None:
    node = _node(run, event)
    if event.attempt is not None:
        _end_attempt(node, AttemptState.FINISHED, now_ms)
    node.reused_from, node.error = event.reused_from, None
    _end(run, node, NodeState.FINISHED, now_ms)


def _fail(run: RunState, event: events.NodeFailed, now_ms: int) -> None:
    node = _node(run, event)
    if event.attempt is not None:
        _end_attempt(node, AttemptState.FAILED, now_ms).error = event.error
        node.failures += 1
        node.crashes_in_row = 0
    node.error = event.error
    _end(run, node, NodeState.FAILED, now_ms)


def _await_retry(run: RunState, event: events.NodeRetrying) -> None:
    node = _node(run, event)
    _move(run, node, NodeState.PENDING)
    node.finished_at_ms = None
    node.retry_at_ms = event.retry_at_ms


def _interrupt(run: RunState, event: events.NodeInterrupted, now_ms: int) -> None:
    node = _node(run, event)
    _end_attempt(node, AttemptState.INTERRUPTED, now_ms).interruption = event.reason
    if event.reason is Interruption.CRASH:
        node.crashes_in_row += 1
    _move(run, node, NodeState.PENDING)


def _cancel(run: RunState, event: events.NodeCancelled, now_ms: int) -> None:
    node = _node(run, event)
    if event.attempt is not None:
        _end_attempt(node, AttemptState.CANCELLED, now_ms)
    _end(run, node, NodeState.CANCELLED, now_ms)


def asked(event: events.ApprovalRequested, now_ms: int) -> ApprovalRecord:
    """Return the gate as it stands when this has just been asked."""
    return ApprovalRecord(
        title=event.title,
        summary=event.summary,
        metadata=event.metadata,
        show=event.show,
        on_deny=event.on_deny,
        requested_at_ms=now_ms,
    )


def _decide(run: RunState, event: events.ApprovalGranted | events.ApprovalDenied) -> None:
    node = _node(run, event)
    gate = node.gate
    assert gate is not None, f"{event.node_id} was decided before it asked"
    gate.is_granted = isinstance(event, events.ApprovalGranted)
    gate.note, gate.decided_by = event.note, event.decided_by
    gate.decision, gate.decided_at_ms = event.decision, event.decided_at_ms
    _move(run, node, NodeState.PENDING)

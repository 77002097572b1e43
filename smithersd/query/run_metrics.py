"""The metrics of a run: counters and durations, folded from its log.

Since they come from the log alone they never decrease, not even after a restart, and every process that serves the run
shows the same.
"""

from collections import Counter
from types import MappingProxyType

from smithersd.core.log import events
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeRecord
from smithersd.errors import RunTimeout
from smithersd.query.histogram import DURATION_BOUNDS_S, Histogram

COUNTERS = MappingProxyType(
    {
        "smithers_runs": "Runs that were started.",
        "smithers_runs_finished": "Runs that finished.",
        "smithers_runs_failed": "Runs that failed.",
        "smithers_runs_timed_out": "Runs that failed because of their workflow's timeout.",
        "smithers_runs_cancelled": "Runs that were cancelled.",
        "smithers_runs_resumed": "Times that a driver took the run up again.",
        "smithers_runs_suspended": "Times that the run was suspended.",
        "smithers_nodes_started": "Attempts that began.",
        "smithers_nodes_finished": "Nodes that ended with an output.",
        "smithers_nodes_failed": "Attempts, and nodes without attempts, that failed.",
        "smithers_nodes_skipped": "Nodes that were skipped.",
        "smithers_nodes_cancelled": "Nodes that were cancelled.",
        "smithers_nodes_interrupted": "Attempts that ended without their own fault.",
        "smithers_node_retries": "Attempts that were put off to another try.",
        "smithers_errors": "Failed attempts, nodes and runs.",
        "smithers_heartbeats": "Heartbeats of tasks.",
        "smithers_approvals_requested": "Approvals that were asked for; an edited question counts again.",
        "smithers_approvals_granted": "Approvals that a person gave.",
        "smithers_approvals_denied": "Approvals that a person refused.",
        "smithers_timers_created": "Timers that the run has reached.",
        "smithers_timers_fired": "Timers that fired, by themselves or since somebody wanted it.",
        "smithers_signals_received": "Signals that were sent to the run.",
        "smithers_signals_delivered": "Signals that a node has taken.",
        "smithers_signals_refused": "Signals whose data did not fit.",
        "smithers_signals_timed_out": "Waits for a signal that took too long.",
        "smithers_frames_committed": "Renderings that changed the tree.",
        "smithers_events_emitted": "Events in the log.",
    }
)
"""The name, without the suffix `_total`, and the meaning of every counter."""

_RAISED_BY: MappingProxyType[type, tuple[str, ...]] = MappingProxyType(
    {
        events.RunStarted: ("smithers_runs",),
        events.RunFinished: ("smithers_runs_finished",),
        events.RunFailed: ("smithers_runs_failed", "smithers_errors"),
        events.RunCancelled: ("smithers_runs_cancelled",),
        events.RunResumed: ("smithers_runs_resumed",),
        events.RunSuspended: ("smithers_runs_suspended",),
        events.NodeStarted: ("smithers_nodes_started",),
        events.NodeFinished: ("smithers_nodes_finished",),
        events.NodeFailed: ("smithers_nodes_failed", "smithers_errors"),
        events.NodeSkipped: ("smithers_nodes_skipped",),
        events.NodeCancelled: ("smithers_nodes_cancelled",),
        events.NodeInterrupted: ("smithers_nodes_interrupted",),
        events.TaskHeartbeat: ("smithers_heartbeats",),
        events.ApprovalRequested: ("smithers_approvals_requested",),
        events.ApprovalGranted: ("smithers_approvals_granted",),
        events.ApprovalDenied: ("smithers_approvals_denied",),
        events.TimerCreated: ("smithers_timers_created",),
        events.TimerFired: ("smithers_timers_fired",),
        events.SignalReceived: ("smithers_signals_received",),
        events.SignalDelivered: ("smithers_signals_delivered",),
        events.SignalRefused: ("smithers_signals_refused",),
        events.SignalTimedOut: ("smithers_signals_timed_out",),
        events.FrameCommitted: ("smithers_frames_committed",),
    }
)

DURATIONS = MappingProxyType(
    {
        "smithers_run_duration_seconds": "From a run's start to its end.",
        "smithers_node_duration_seconds": "From a node's first attempt to its end, all retries included.",
        "smithers_attempt_duration_seconds": "From an attempt's start to its end, however it ended.",
        "smithers_approval_wait_duration_seconds": "From an approval's request to its decision.",
    }
)
"""The name and the meaning of every histogram of the run."""


class RunMetrics:
    """Counters and histograms of one run."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self.durations = {name: Histogram(DURATION_BOUNDS_S) for name in DURATIONS}

    def apply(self, run: RunState, recorded: Recorded) -> None:
        """Count an event that was just applied to the state."""
        self.counts["smithers_events_emitted"] += 1
        for name in _RAISED_BY.get(type(recorded.event), ()):
            self.counts[name] += 1
        self._measure(run, recorded)

    def _measure(self, run: RunState, recorded: Recorded) -> None:
        now_ms = recorded.timestamp_ms
        match recorded.event:
            case events.NodeFinished() | events.NodeCancelled() as event:
                node = run.nodes[event.node_id, event.iteration]
                self._measure_attempt(node, event.attempt)
                self._observe("smithers_node_duration_seconds", node.started_at_ms, now_ms)
            case events.NodeFailed() as event:
                node = run.nodes[event.node_id, event.iteration]
                self._measure_attempt(node, event.attempt)
                if event.is_final:
                    self._observe("smithers_node_duration_seconds", node.started_at_ms, now_ms)
                else:  # not at its NodeRetrying: one that backs off already may be given another time
                    self.counts["smithers_node_retries"] += 1
            case events.NodeInterrupted() as event:
                self._measure_attempt(run.nodes[event.node_id, event.iteration], event.attempt)
            case events.ApprovalGranted() | events.ApprovalDenied() as event:
                approval = run.nodes[event.node_id, event.iteration].approval
                if approval is not None:
                    self._observe(
                        "smithers_approval_wait_duration_seconds", approval.requested_at_ms, event.decided_at_ms
                    )
            case events.RunFinished() | events.RunFailed() | events.RunCancelled() as event:
                if isinstance(event, events.RunFailed) and event.error.code == RunTimeout.code:
                    self.counts["smithers_runs_timed_out"] += 1
                self._observe("smithers_run_duration_seconds", run.started_at_ms, run.finished_at_ms)
            case _:
                pass

    def _measure_attempt(self, node: NodeRecord, attempt: int | None) -> None:
        if attempt is not None:
            last = node.attempts[-1]
            self._observe("smithers_attempt_duration_seconds", last.started_at_ms, last.finished_at_ms)

    def _observe(self, name: str, from_ms: int | None, to_ms: int | None) -> None:
        if from_ms is not None and to_ms is not None:
            # The clock of another host may be a little behind this one.
            self.durations[name].observe(max(0, to_ms - from_ms) / 1000)

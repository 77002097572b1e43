"""The flow: the pure engine of one run. Stimuli go in (what ended, what was decided, what time it is), steps come out.

It has no clock, no event loop and no store: times and random numbers are arguments, and the result is a `Step` of
events, rows and attempts to start or stop. The engine makes the step durable and then acts on it. Each event is applied
to the run's state at once, by the same fold that every reader uses.

Events that end the run, close a wait or replace a request are treated separately: `closing()` returns those that would
follow *now*, and `close()` applies them once they are durable. In between the engine reads the inbox, so that no
accepted request is overtaken.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from smithersd.core.flow.deadline import Deadline
from smithersd.core.flow.entering import Entering
from smithersd.core.flow.nodes import Nodes
from smithersd.core.flow.outputs import OutputNotInMemory, Outputs
from smithersd.core.flow.slots import Slots
from smithersd.core.flow.step import Start, Step
from smithersd.core.flow.timers import Clocks
from smithersd.core.flow.values import Source
from smithersd.core.kinds.approval import decision_event
from smithersd.core.log import events
from smithersd.core.log.endings import Cancel, Ending, Fail, Finish, Suspend, cancellation_of, closing_events
from smithersd.core.log.events import Event, Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.journal import Journal
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.signals import SignalAddress, address_of
from smithersd.core.log.states import WAITING_STATUSES, Cancellation, Interruption, NodeState, RunStatus
from smithersd.core.reuse.earlier import EarlierRun
from smithersd.core.reuse.rule import Forecast, Reuse
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import FrameTree
from smithersd.core.tree.places import Place
from smithersd.core.tree.rendered_tree import RenderedTree
from smithersd.core.tree.renderer import Renderer
from smithersd.elements import Decision, Element, Node, Workflow
from smithersd.errors import (
    ErrorInfo,
    InvalidOutput,
    RunTimeout,
    WorkflowError,
)


class Flow:
    """One run, from its first rendering to its terminal event."""

    def __init__(
        self,
        workflow: Workflow[Any],
        *,
        state: RunState,
        input: Any,
        max_concurrency: int,
        chance: Callable[[], float],
        clocks: Clocks | None = None,
        frames: FrameTree | None = None,
        outputs: Outputs | None = None,
        earlier: EarlierRun | None = None,
    ) -> None:
        self._workflow = workflow
        self.outputs = outputs or Outputs()
        self.missing_output: NodeKey | None = None
        """The output that a rendering reads and that is not in memory; once it is held, call `advance` again."""
        self._renderer = Renderer(workflow, state, self.outputs, input)
        self._journal = Journal(state, self._renderer.readers)
        self._tree = RenderedTree(self._renderer, self._journal, frames or FrameTree())
        self._slots = Slots(max_concurrency)
        readers = self._renderer.readers
        self._nodes = Nodes(self._journal, self._tree, self._slots, self.outputs, readers, chance, clocks)
        self._reuse = Reuse(earlier, state, self._tree, readers)
        self._entering = Entering(self._journal, self._tree, self._slots, self._nodes, self._reuse)
        self._deadline = Deadline(clocks)
        self._is_replanned = False
        self._is_resuming = False

    # Reading

    @property
    def state(self) -> RunState:
        """The run's state, with every event applied, also those that are not durable yet."""
        return self._journal.state

    @property
    def tree(self) -> Tree:
        """The tree as of the latest frame."""
        return self._tree.whole

    @property
    def running(self) -> int:
        """How many attempts are running, including those that were told to stop and have not ended."""
        return len(self._slots.running)

    @property
    def ready_count(self) -> int:
        """How many nodes are ready and wait for a slot."""
        return self._slots.ready_count

    @property
    def is_over(self) -> bool:
        """Whether the run has ended or is suspended, so that no event will follow."""
        return self.state.status.is_at_rest

    @property
    def ending(self) -> Ending | None:
        """Why the run is about to end; None while it is not."""
        return self._nodes.ending

    @property
    def next_due_ms(self) -> int | None:
        """When the next retry or timer is due, in milliseconds since the epoch; None if there is none."""
        return self._nodes.next_due_ms

    @property
    def deadline_ms(self) -> int | None:
        """When the run times out; None if it does not, or ends anyhow."""
        return None if self._nodes.ending is not None else self._deadline.at_ms(self._journal.now_ms)

    def forecast(self) -> Forecast | None:
        """Return what the run will reuse of an earlier run; None if it has none."""
        return self._reuse.forecast()

    def take_step(self) -> Step:
        """Return what was decided since the last call."""
        return self._journal.take()

    # Stimuli

    def begin(self, now_ms: int, *, from_run_id: str | None = None, redo: tuple[str, ...] = ()) -> None:
        """Start the run; the outputs of the nodes `redo` of the run `from_run_id` are not reused.

        Raises:
            WorkflowError: the first rendering failed; do not store the step.
        """
        self._journal.now_ms = now_ms
        times_out_at_ms = self._set_deadline(now_ms)
        self._journal.emit(events.RunStarted(self._workflow.name, from_run_id, redo or None, times_out_at_ms))
        self._tree.render()
        self._tree.check_named(self._workflow.result, f"result of workflow {self._workflow.name!r}")
        self.advance(now_ms)

    def resume(
        self,
        now_ms: int,
        *,
        fence: int,
        is_workflow_changed: bool,
        interruption: Interruption = Interruption.CRASH,
    ) -> None:
        """Resume the run where its log ends; `interruption` says how the attempts ended that it shows running.

        Raises:
            WorkflowError: the first rendering failed; do not store the step. If there is a `missing_output`, the
                rendering follows in `advance`, which may raise this too.
        """
        self._journal.now_ms = now_ms
        assert self.state.started_at_ms is not None
        times_out_at_ms = self._set_deadline(self.state.started_at_ms)
        self._journal.emit(events.RunResumed(fence, is_workflow_changed, times_out_at_ms))
        for node in list(self.state.nodes.values()):
            if node.state is NodeState.IN_PROGRESS:
                self._journal.emit(events.NodeInterrupted(*node.key, node.attempt, interruption))
        self._is_resuming = True
        self.advance(now_ms)

    def succeeded(self, key: NodeKey, attempt: int, output: str, now_ms: int) -> None:
        """Finish the node of an attempt that ended with an output, as JSON text."""
        node = self._attempt_ended(key, attempt, now_ms)
        if node is not None:
            self._nodes.finish(node, output, attempt=attempt)

    def failed(
        self,
        key: NodeKey,
        attempt: int,
        error: ErrorInfo,
        now_ms: int,
        *,
        is_retryable: bool = True,
        retry_delay_s: float | None = None,
    ) -> None:
        """Retry the node of an attempt that failed, or end it and, unless it has continue_on_fail, the run.

        `is_retryable` is whether the error is worth another attempt, `retry_delay_s` the delay that the error asks for
        (None: the node's policy decides).
        """
        node = self._attempt_ended(key, attempt, now_ms)
        if node is None:
            return
        is_going_on = self._nodes.ending is None or isinstance(self._nodes.ending, Suspend)
        retry_at_ms = self._nodes.next_try_ms(node, retry_delay_s) if is_going_on and is_retryable else None
        self._journal.emit(events.NodeFailed(*key, error, retry_at_ms is None, attempt))
        if retry_at_ms is None:
            self._nodes.fail(node)
        else:
            self._nodes.retry(node, retry_at_ms)

    def unreadable(self, key: NodeKey, attempt: int, error: ErrorInfo, now_ms: int) -> None:
        """Fail the run because the arguments of an attempt cannot be read: a retry could not read them either."""
        if self._attempt_ended(key, attempt, now_ms) is not None:
            self._nodes.end_run(Fail(error))

    def stopped(self, key: NodeKey, attempt: int, now_ms: int) -> None:
        """Record the end of an attempt that was told to stop, and has ended or was abandoned."""
        node = self._attempt_ended(key, attempt, now_ms)
        if node is None:
            return
        match self._nodes.ending:
            case Suspend():
                self._journal.emit(events.NodeInterrupted(*key, attempt, Interruption.SUSPENDED))
            case Fail():
                self._journal.emit(events.NodeCancelled(*key, Cancellation.RUN_FAILED, attempt))
            case _:
                self._journal.emit(events.NodeCancelled(*key, Cancellation.ABORTED, attempt))

    def record(self, event: events.NodeOutput | events.NodeProgress | events.TaskHeartbeat, now_ms: int) -> None:
        """Record output, progress or a heartbeat of a running attempt."""
        node = self.state.nodes.get((event.node_id, event.iteration))
        if node is not None and node.state is NodeState.IN_PROGRESS and node.attempt == event.attempt:
            self._journal.now_ms = now_ms
            self._journal.emit(event)

    def decide(self, key: NodeKey, decision: Decision, now_ms: int) -> None:
        """Apply a person's decision about a pending approval."""
        self._journal.now_ms = now_ms
        node = self.state.nodes.get(key)
        if node is None or node.state is not NodeState.WAITING_APPROVAL:
            return  # the store accepts decisions for pending approvals only
        self._entering.decided(node, decision_event(key, decision))

    def fire(self, key: NodeKey, fired_by: str | None, now_ms: int) -> None:
        """End a wait for a time before it has come, as somebody asks."""
        self._journal.now_ms = now_ms
        node = self.state.nodes.get(key)
        if node is None or node.state is not NodeState.WAITING_TIMER:
            return  # it was due in this moment
        self._entering.fired(node, fired_by)

    def receive(self, signal: events.SignalReceived, now_ms: int) -> None:
        """Keep a signal, and let `advance` deliver it to a node that waits for it."""
        self._journal.now_ms = now_ms
        self._journal.emit(signal)
        self._nodes.listeners.changed[address_of(signal)] = None

    def listener(self, address: SignalAddress) -> Node[Any] | None:
        """Return the node that will take the next signal of an address, None if none waits for it."""
        return self._entering.listener(address)

    def cancel(self, now_ms: int) -> None:
        """Cancel the run; this wins over every other ending."""
        self._journal.now_ms = now_ms
        self._nodes.end_run(Cancel())

    def suspend(self, now_ms: int, reason: str) -> None:
        """Suspend the run because its driver stops, unless it is ending anyhow."""
        self._journal.now_ms = now_ms
        if self._nodes.ending is None and not self._tree.plan.is_ended:
            self._nodes.end_run(Suspend(reason))

    def advance(self, now_ms: int) -> None:
        """Decide everything that follows from the stimuli, up to a `missing_output` if there is one."""
        self._journal.now_ms = now_ms
        self.missing_output = None
        try:
            if self._is_resuming:
                self._render_resumed()
            self._settle()
        except OutputNotInMemory as missing:
            self.missing_output = missing.key

    def _render_resumed(self) -> None:
        self._tree.collect_schemas()
        try:
            self._tree.render()
            self._replan()
        except InvalidOutput as error:
            self._nodes.end_run(Fail(ErrorInfo.of(error)))
        self._is_resuming = False

    def _set_deadline(self, started_at_ms: int) -> int | None:
        """Begin to measure the workflow's timeout; return when it ends, None if it has none."""
        timeout_s = self._workflow.timeout_s
        at_ms = None if timeout_s is None else started_at_ms + round(timeout_s * 1000)
        self._deadline.set(at_ms, self._journal.now_ms)
        return at_ms

    def _time_out(self) -> None:
        """Fail the run if it has taken too long and has not ended by itself in this moment."""
        is_ending = self._nodes.ending is not None or self._tree.plan.is_ended
        if not is_ending and self._deadline.has_passed(self._journal.now_ms):
            message = f"The run took longer than its timeout of {self._workflow.timeout_s:g} s."
            self._nodes.end_run(Fail(ErrorInfo.of(RunTimeout(message))))

    def _settle(self) -> None:
        while self._nodes.ending is None and self._entering.deliver():
            pass  # what has come in time is not too late
        self._time_out()
        self._entering.wake_due()
        is_settled = False
        while not is_settled:
            while self._nodes.ending is None and self._advance_once():
                pass
            self._settle_status()
            self._start_ready()
            is_settled = (
                self._nodes.ending is not None or not self._tree.is_stale
            )  # a start changes states, which functions may read

    # Closing

    def closing(self) -> list[Recorded]:
        """Return the events that would end the run, cancel dropped nodes or replace requests now; often none."""
        closing = self._closing_events()
        first_seq = self.state.last_seq + 1
        return [Recorded(first_seq + index, self._journal.now_ms, event) for index, event in enumerate(closing)]

    def close(self, closing: list[Recorded]) -> None:
        """Apply the events that `closing` returned, which are durable now."""
        for recorded in closing:
            self._journal.apply(recorded)
        self._nodes.requested_again()
        while self._nodes.unmounted:
            node_id, _ = self._nodes.unmounted.pop()
            self._nodes.wake_readers(node_id)

    def _closing_events(self) -> list[Event]:
        if self._nodes.ending is not None and self._slots.running:
            return []
        dropped = [
            cancellation_of(self.state.nodes[key], Cancellation.UNMOUNTED) for key in sorted(self._nodes.unmounted)
        ]
        waits = [*dropped, *self._nodes.new_requests()]
        ending = self._nodes.ending
        if ending is None and self._tree.plan.is_ended and not self._slots.running:
            ending = Finish(self._result())
        if ending is None:
            return waits
        if isinstance(ending, (Finish, Suspend)):
            return [*waits, *closing_events(self.state, ending)]
        return closing_events(self.state, ending)

    def _result(self) -> NodeKey | None:
        """Return the node whose output is the run's result; None if the workflow ends without an output."""
        place = self._tree.plan.root if self._workflow.result is None else self._tree.place(self._workflow.result)
        key = None if place is None else place.output_source.key
        return key if key is not None and self.outputs.has(key) else None

    # Advancing

    def _advance_once(self) -> bool:
        """Render the tree or enter one due place; return whether there was anything to do."""
        try:
            if self._tree.is_stale:
                self._tree.render()
                self._replan()
                return True
            place = self._tree.plan.next_due()
            if place is not None:
                self._entering.enter(place)
                return True
            if self._entering.deliver():
                return True
            self._find_unmounted()
        except (WorkflowError, InvalidOutput) as error:
            self._nodes.end_run(Fail(ErrorInfo.of(error)))
        return False

    def _replan(self) -> None:
        """Reset what belongs to the old plan after a new rendering, which may have dropped nodes."""
        self._nodes.replan()
        self._reuse.replan()
        self._is_replanned = True

    def _find_unmounted(self) -> None:
        if not self._is_replanned:
            return
        self._is_replanned = False
        dropped = self._tree.unmounted() - self._nodes.unmounted
        self._nodes.unmounted |= dropped
        self._journal.step.stops.extend(key for key in self._slots.running if key in dropped)

    # Starting and stopping

    def _attempt_ended(self, key: NodeKey, attempt: int, now_ms: int) -> NodeRecord | None:
        """Free an attempt's slot; return its node, or None if it is not the current attempt of a node in the tree."""
        self._journal.now_ms = now_ms
        self._slots.release(key)
        node = self.state.nodes[key]
        is_current = node.state is NodeState.IN_PROGRESS and node.attempt == attempt
        return node if is_current and key not in self._nodes.unmounted else None

    def _start_ready(self) -> None:
        while self._nodes.ending is None and (place := next(self._slots.admit(), None)) is not None:
            element = place.node
            assert element is not None
            node = self.state.nodes[place.key]
            attempt = node.attempt + 1
            heartbeat = node.last_heartbeat
            self._journal.emit(events.NodeStarted(*node.key, attempt))
            self._journal.step.starts.append(Start(element, node.key, attempt, self._inputs_of(place), heartbeat))

    def _inputs_of(self, place: Place) -> dict[Element[Any], Source]:
        """Return which outputs a node runs with, by the elements among its arguments."""
        assert place.node is not None
        found = ((given, self._tree.plan.find(given, place.scope)) for given in place.node.inputs())
        sources = ((given, target.output_source) for given, target in found if target is not None)
        return {
            given: Source(source.key, source.node.schema)
            for given, source in sources
            if source.node is not None and self.outputs.has(source.key)
        }

    def _settle_status(self) -> None:
        if self._nodes.ending is not None or self._tree.plan.is_ended:
            return
        is_going_on = self._slots.is_busy or self._nodes.is_backing_off
        status = RunStatus.RUNNING if is_going_on else self._waiting_status()
        if status is None:
            self._nodes.fail_stalled()
        elif status is not self.state.status:
            self._journal.emit(events.RunStatusChanged(status))

    def _waiting_status(self) -> RunStatus | None:
        """Return the status of what the run waits for; None if it waits for nothing. Dropped nodes do not count."""
        dropped = Counter(self.state.nodes[key].state for key in self._nodes.unmounted)
        waited_for = (status for state, status in WAITING_STATUSES.items() if self.state.count(state) > dropped[state])
        return next(waited_for, None)

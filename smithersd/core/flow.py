"""The flow: the pure engine of one run. Stimuli go in (what ended, what was decided, what time it is), steps come out.

It knows no clock, no loop and no store: time and chance are handed in, and what it decides is a `Step` of events, rows
and attempts to start or stop. The engine makes the step durable and then acts on it. Each event is applied to the
run's state the moment it is decided, by the same fold that every reader uses.

What ends the run or closes a wait is not decided in passing: `closing()` says which events would close it *now*, and
`close()` takes them in once they are durable. In between the engine looks into the inbox, so that nothing that was
accepted is overtaken.
"""

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Any

from smithersd.config import CRASHES_IN_A_ROW_MAX
from smithersd.core import events
from smithersd.core.awaiting import Awaiting, never_ready
from smithersd.core.endings import Cancel, Ending, Fail, Finish, Suspend, cancellation_of, closing_events
from smithersd.core.events import Event, Recorded
from smithersd.core.fold import NodeKey, NodeRecord, RunState
from smithersd.core.frames import FrameTree, Tree
from smithersd.core.gates import (
    Answer,
    answer_event,
    decision_output,
    denial,
    gate_request,
    leads_to_output,
    leads_to_skip,
)
from smithersd.core.journal import Journal
from smithersd.core.places import LAZY, Order, Place, Progress
from smithersd.core.reads import Outputs
from smithersd.core.render import Renderer
from smithersd.core.rendering import RenderedTree
from smithersd.core.slots import Slots
from smithersd.core.states import Cancellation, Interruption, NodeState, RunStatus
from smithersd.core.step import Start, Step
from smithersd.core.values import start_values
from smithersd.elements import Approval, Branch, Node, NodeKind, Shell, Task, Workflow
from smithersd.errors import (
    ErrorInfo,
    InterruptedTooOften,
    InvalidOutput,
    OutputNotReady,
    UnknownDependency,
    WorkflowError,
)

Reused = Mapping[NodeKey, tuple[NodeKind, str]]
"""Outputs of an earlier run to take over: by node, its kind and the output's JSON text."""


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
        frames: FrameTree | None = None,
        outputs: Outputs | None = None,
        reused: Reused | None = None,
    ) -> None:
        self._workflow = workflow
        self._outputs = outputs or Outputs()
        self._reused = reused or {}
        self._chance = chance
        self._renderer = Renderer(workflow, state, self._outputs, input)
        self._journal = Journal(state, self._renderer.readers)
        self._tree = RenderedTree(self._renderer, self._journal, frames or FrameTree())
        self._slots = Slots(max_concurrency)
        self._backing_off: list[tuple[int, Order, Place]] = []
        self._awaiting = Awaiting()
        self._unmounted: set[NodeKey] = set()
        self._is_replanned = False
        self._ending: Ending | None = None

    # What others may look at

    @property
    def state(self) -> RunState:
        """The run's state, every decided event applied (also those that are not durable yet)."""
        return self._journal.state

    @property
    def tree(self) -> Tree:
        """The tree as of the latest frame."""
        return self._tree.whole

    @property
    def running(self) -> int:
        """How many attempts run (or were told to stop and have not)."""
        return len(self._slots.running)

    @property
    def ready_count(self) -> int:
        """How many nodes are ready and wait for a slot."""
        return self._slots.ready_count

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever be decided again: the run has ended or is suspended."""
        return self.state.status.is_final or self.state.status is RunStatus.SUSPENDED

    @property
    def ending(self) -> Ending | None:
        """Why the run is about to end, None while it is not."""
        return self._ending

    @property
    def next_due_ms(self) -> int | None:
        """When the next retry is due, None when nothing backs off."""
        return self._backing_off[0][0] if self._backing_off else None

    def take_step(self) -> Step:
        """Hand over what was decided since the last time."""
        return self._journal.take()

    # Stimuli

    def begin(self, now_ms: int, *, from_run_id: str | None = None) -> None:
        """Start the run.

        Raises:
            WorkflowError: the first rendering failed; nothing was decided.
        """
        self._journal.now_ms = now_ms
        self._journal.emit(events.RunStarted(self._workflow.name, from_run_id))
        self._tree.render()
        self.advance(now_ms)

    def resume(
        self,
        now_ms: int,
        *,
        fence: int,
        is_workflow_changed: bool,
        interruption: Interruption = Interruption.CRASH,
    ) -> None:
        """Take the run up where its log ends; `interruption` is what became of the attempts that it shows running.

        Raises:
            WorkflowError: the first rendering failed; nothing was decided.
        """
        self._journal.now_ms = now_ms
        self._journal.emit(events.RunResumed(fence, is_workflow_changed))
        for node in list(self.state.nodes.values()):
            if node.state is NodeState.IN_PROGRESS:
                self._journal.emit(events.NodeInterrupted(*node.key, node.attempt, interruption))
        self._tree.learn()
        try:
            self._tree.render()
            self._replan()
        except InvalidOutput as error:
            self._end(Fail(ErrorInfo.of(error)))
        self.advance(now_ms)

    def succeeded(self, key: NodeKey, attempt: int, output: str, now_ms: int) -> None:
        """An attempt ended with an output."""
        node = self._attempt_ended(key, attempt, now_ms)
        if node is not None:
            self._finish(node, output, attempt=attempt)

    def failed(self, key: NodeKey, attempt: int, error: ErrorInfo, now_ms: int) -> None:
        """An attempt failed: it is tried again, absorbed, or it fails the run."""
        node = self._attempt_ended(key, attempt, now_ms)
        if node is None:
            return
        self._journal.emit(events.NodeFailed(*key, error, attempt))
        place = self._tree.plan.places.get(key[0])
        is_going_on = self._ending is None or isinstance(self._ending, Suspend)
        if place is None or not is_going_on or not self._is_retried(node, place):
            self._node_failed(node)

    def stopped(self, key: NodeKey, attempt: int, now_ms: int) -> None:
        """An attempt that was told to stop has done so, or was left behind."""
        node = self._attempt_ended(key, attempt, now_ms)
        if node is None:
            return
        match self._ending:
            case Suspend():
                self._journal.emit(events.NodeInterrupted(*key, attempt, Interruption.SUSPENDED))
            case Fail():
                self._journal.emit(events.NodeCancelled(*key, Cancellation.RUN_FAILED, attempt))
            case _:
                self._journal.emit(events.NodeCancelled(*key, Cancellation.ABORTED, attempt))

    def record(self, event: events.NodeOutput | events.NodeProgress | events.TaskHeartbeat, now_ms: int) -> None:
        """Take in what a running attempt has to say."""
        node = self.state.nodes.get((event.node_id, event.iteration))
        if node is not None and node.state is NodeState.IN_PROGRESS and node.attempt == event.attempt:
            self._journal.now_ms = now_ms
            self._journal.emit(event)

    def decide(self, answer: Answer, now_ms: int) -> None:
        """Apply a person's decision about a pending gate."""
        self._journal.now_ms = now_ms
        node = self.state.nodes.get(answer.key)
        if node is None or node.state is not NodeState.WAITING_APPROVAL:
            return  # the store accepts decisions for pending gates only
        self._journal.emit(answer_event(answer))
        self._journal.step.gates[node.key] = None
        if leads_to_output(node, answer):
            self._finish(node, decision_output(answer))
        elif leads_to_skip(node, answer):
            self._journal.emit(events.NodeSkipped(*node.key))
            self._node_ended(node)
        elif answer.is_granted:
            place = self._place_of(node)
            if place is not None:
                self._slots.offer(place)
        else:
            self._journal.emit(events.NodeFailed(*node.key, denial(node, answer)))
            self._node_failed(node)

    def cancel(self, now_ms: int) -> None:
        """Somebody cancels the run: it wins over every other ending."""
        self._journal.now_ms = now_ms
        self._end(Cancel())

    def suspend(self, now_ms: int, reason: str) -> None:
        """The driver is about to stop: a run that does not end anyhow is left resumable."""
        self._journal.now_ms = now_ms
        if self._ending is None and not self._tree.plan.is_ended:
            self._end(Suspend(reason))

    def advance(self, now_ms: int) -> None:
        """Decide everything that follows from what was taken in."""
        self._journal.now_ms = now_ms
        self._wake_due(now_ms)
        is_settled = False
        while not is_settled:
            while self._ending is None and self._advance_once():
                pass
            self._settle_status()
            self._start_ready()
            is_settled = self._ending is not None or not self._tree.is_stale  # what starts may be read, too

    # Closing

    def closing(self) -> list[Recorded]:
        """Return the events that would close the run, or the waits of dropped nodes, as things stand; often none."""
        closing = self._closing_events()
        first_seq = self.state.last_seq + 1
        return [Recorded(first_seq + index, self._journal.now_ms, event) for index, event in enumerate(closing)]

    def close(self, closing: list[Recorded]) -> None:
        """Take in what `closing` returned, now that it is durable."""
        for recorded in closing:
            self._journal.apply(recorded)
        while self._unmounted:
            node_id, _ = self._unmounted.pop()
            self._retry_awaiting(node_id)

    def _closing_events(self) -> list[Event]:
        if self._ending is not None and self._slots.running:
            return []
        dropped = [cancellation_of(self.state.nodes[key], Cancellation.UNMOUNTED) for key in sorted(self._unmounted)]
        ending = self._ending
        if ending is None and self._tree.plan.is_ended and not self._slots.running:
            ending = Finish()
        if ending is None:
            return dropped
        if isinstance(ending, (Finish, Suspend)):
            return [*dropped, *closing_events(self.state, ending)]
        return closing_events(self.state, ending)

    # Advancing

    def _advance_once(self) -> bool:
        """Do one thing that is due; return whether there was any."""
        try:
            if self._tree.is_stale:
                self._tree.render()
                self._replan()
                return True
            place = self._tree.plan.next_due()
            if place is not None:
                self._enter(place)
                return True
            self._find_unmounted()
        except (WorkflowError, InvalidOutput) as error:
            self._end(Fail(ErrorInfo.of(error)))
        return False

    def _replan(self) -> None:
        """After a new rendering: nothing waits in the old plan any more, and nodes may have been dropped."""
        self._slots.replan()
        self._backing_off.clear()
        self._awaiting.clear()
        self._is_replanned = True

    def _find_unmounted(self) -> None:
        if not self._is_replanned:
            return
        self._is_replanned = False
        dropped = self._tree.unmounted() - self._unmounted
        self._unmounted |= dropped
        self._journal.step.stops.extend(key for key in self._slots.running if key in dropped)

    def _enter(self, place: Place) -> None:
        try:
            if place.kind == LAZY:
                self._tree.expand(place)
            elif isinstance(place.element, Branch):
                self._decide_branch(place, place.element)
            elif isinstance(place.element, Node):
                self._enter_node(place, place.element)
        except OutputNotReady as error:
            self._await_output(place, error)
        except UnknownDependency:
            if not self._tree.plan.postpone(place):
                raise

    def _decide_branch(self, place: Place, branch: Branch) -> None:
        value = self.state.branches.get((place.id, 0))
        if value is None:
            value = self._tree.judge(branch.when, f"condition of branch {place.id!r}")
            self._journal.emit(events.BranchDecided(place.id, 0, value))
        for dropped in self._tree.choose(place, value):
            self._retry_awaiting(dropped.id)

    def _enter_node(self, place: Place, element: Node[Any]) -> None:
        node = self.state.nodes[place.id, 0]
        if node.state is NodeState.FAILED:
            self._node_failed(node)
        elif node.state.is_final or node.key in self._unmounted:
            self._tree.plan.end(place)
            self._retry_awaiting(place.id)
        elif node.state is NodeState.PENDING:
            self._enter_pending(place, element, node)
        elif node.state is NodeState.IN_PROGRESS:
            self._slots.adopt(place)

    def _enter_pending(self, place: Place, element: Node[Any], node: NodeRecord) -> None:
        if node.retry_at_ms is not None:
            heappush(self._backing_off, (node.retry_at_ms, place.order, place))
        elif node.crashes_in_row > CRASHES_IN_A_ROW_MAX:
            self._give_up(node)
        elif node.attempts or (node.gate is not None and node.gate.is_granted):
            self._slots.offer(place)
        elif (output := self._reusable(element)) is not None:
            self._finish(node, output, reused_from=self.state.from_run_id)
        elif self._tree.judge(element.skip_if, f"skip_if of {element.kind} {place.id!r}"):
            self._journal.emit(events.NodeSkipped(*node.key))
            self._node_ended(node)
        elif _is_gate(element):
            self._journal.emit(gate_request(element))
            self._journal.emit(events.NodeWaitingApproval(*node.key))
            self._journal.step.gates[node.key] = None
        else:
            self._slots.offer(place)

    def _reusable(self, element: Node[Any]) -> str | None:
        """The output that an earlier run left for this node, if it is still of the right kind and type."""
        kind, output = self._reused.get((element.id, 0), (None, ""))
        if kind is not element.node_kind:
            return None
        try:
            element.schema.load(output)
        except InvalidOutput as error:
            self._journal.step.notes.append(f"the earlier output of {element.id!r} is not reused: {error.message}")
            return None
        return output

    def _give_up(self, node: NodeRecord) -> None:
        error = InterruptedTooOften(
            f"The process died {node.crashes_in_row} times in a row while {node.kind} {node.node_id!r} ran."
        )
        self._journal.emit(events.NodeFailed(*node.key, ErrorInfo.of(error)))
        self._node_failed(node)

    def _await_output(self, place: Place, error: OutputNotReady) -> None:
        """Park a place until the output that it reads is there; fail the run when it can never be."""
        awaited = self.state.nodes.get((error.node_id, 0))
        target = self._tree.plan.places.get(error.node_id)
        has_ended = awaited is not None and awaited.state.is_final
        if has_ended or (target is not None and target.progress is Progress.ENDED):
            self._end(Fail(ErrorInfo.of(never_ready(place, error, awaited))))
        else:
            self._awaiting.park(place, error)

    def _retry_awaiting(self, node_id: str) -> None:
        for place in self._awaiting.take(node_id):
            self._tree.plan.put_back(place)

    # Nodes

    def _attempt_ended(self, key: NodeKey, attempt: int, now_ms: int) -> NodeRecord | None:
        """Free an attempt's slot; return its node, or None when the tree has dropped it."""
        self._journal.now_ms = now_ms
        self._slots.release(key)
        node = self.state.nodes[key]
        is_current = node.state is NodeState.IN_PROGRESS and node.attempt == attempt
        return node if is_current and key not in self._unmounted else None

    def _finish(
        self, node: NodeRecord, output: str, *, attempt: int | None = None, reused_from: str | None = None
    ) -> None:
        self._outputs.put(node.key, output)
        self._journal.step.outputs.append((node.key, output, self._journal.now_ms))
        self._journal.emit(events.NodeFinished(*node.key, attempt, reused_from))
        self._renderer.readers.output_changed(node.node_id)
        self._node_ended(node)

    def _is_retried(self, node: NodeRecord, place: Place) -> bool:
        element = place.element
        assert isinstance(element, (Task, Shell))
        policy = element.attempts.retry
        if node.failures > policy.retries:
            return False
        delay_s = policy.delay_before_s(node.failures, self._chance())
        due_ms = self._journal.now_ms + round(delay_s * 1000)
        self._journal.emit(events.NodeRetrying(*node.key, node.attempt + 1, due_ms))
        heappush(self._backing_off, (due_ms, place.order, place))
        return True

    def _node_failed(self, node: NodeRecord) -> None:
        """A node has failed for good: the flow goes on if it may, else the run fails."""
        place = self._place_of(node)
        if place is None or _absorbs(place.element):
            self._node_ended(node)
        elif self._ending is None:
            assert node.error is not None
            what = f"{node.kind} {node.node_id!r} failed: {node.error.message}"
            self._end(Fail(ErrorInfo(node.error.code, node.error.name, what)))

    def _node_ended(self, node: NodeRecord) -> None:
        place = self._place_of(node)
        if place is not None and place.progress is Progress.REACHED:
            self._tree.plan.end(place)
        self._retry_awaiting(node.node_id)
        self._unmounted.discard(node.key)

    def _place_of(self, node: NodeRecord) -> Place | None:
        """Where the node stands in the tree, None where the tree has dropped it."""
        place = self._tree.plan.places.get(node.node_id)
        return None if place is None or place.is_dropped or node.key in self._unmounted else place

    # Starting and stopping

    def _wake_due(self, now_ms: int) -> None:
        while self._backing_off and self._backing_off[0][0] <= now_ms:
            _, _, place = heappop(self._backing_off)
            self._slots.offer(place)

    def _start_ready(self) -> None:
        while self._ending is None and (place := next(self._slots.admit(), None)) is not None:
            element = place.element
            assert isinstance(element, Node)
            node = self.state.nodes[place.id, 0]
            try:
                values = start_values(element, self._output_of)
            except InvalidOutput as error:
                self._slots.release(node.key)
                self._end(Fail(ErrorInfo.of(error)))
                return
            attempt = node.attempt + 1
            heartbeat = node.last_heartbeat
            self._journal.emit(events.NodeStarted(*node.key, attempt))
            self._journal.step.starts.append(Start(element, node.key, attempt, values, heartbeat))

    def _output_of(self, node: Node[Any]) -> Any:
        key = (node.id, 0)
        return None if self._outputs.text(key) is None else self._outputs.read(key, node.schema)

    def _end(self, ending: Ending) -> None:
        """Begin to end the run: nothing new starts, what runs is told to stop. A cancel wins over the rest."""
        if self._ending is None:
            self._journal.step.stops.extend(self._slots.running)
            self._ending = ending
        elif isinstance(ending, Cancel):
            self._ending = ending

    def _settle_status(self) -> None:
        if self._ending is not None or self._tree.plan.is_ended:
            return
        if self._slots.is_busy or self._backing_off:
            status = RunStatus.RUNNING
        elif self.state.count(NodeState.WAITING_APPROVAL) > self._unmounted_waits():
            status = RunStatus.WAITING_APPROVAL
        else:
            self._end(Fail(ErrorInfo.of(self._awaiting.stalled(self._tree.plan))))
            return
        if status is not self.state.status:
            self._journal.emit(events.RunStatusChanged(status))

    def _unmounted_waits(self) -> int:
        return sum(self.state.nodes[key].state.is_waiting for key in self._unmounted)


def _is_gate(element: Node[Any]) -> bool:
    return isinstance(element, Approval) or (isinstance(element, (Task, Shell)) and element.attempts.needs_approval)


def _absorbs(element: object) -> bool:
    return isinstance(element, (Task, Shell)) and element.attempts.continues_on_fail

"""End, retry and fail the nodes of a run, and fail the run if one of them cannot continue."""

from collections.abc import Callable
from heapq import heappop, heappush

from smithersd.core.flow.awaiting import Awaiting, never_ready
from smithersd.core.flow.listeners import Listeners
from smithersd.core.flow.outputs import Outputs
from smithersd.core.flow.slots import Slots
from smithersd.core.flow.timers import Clocks, Timers
from smithersd.core.kinds.registry import node_kind_of
from smithersd.core.log import events
from smithersd.core.log.endings import Cancel, Ending, Fail
from smithersd.core.log.events import Event
from smithersd.core.log.journal import Journal
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.tree.places import Order, Place, Progress
from smithersd.core.tree.reads import Readers
from smithersd.core.tree.rendered_tree import RenderedTree
from smithersd.elements.options.retry import RetryPolicy
from smithersd.elements.options.task_options import Attempts
from smithersd.errors import ErrorInfo, InterruptedTooOften, OutputNotReady


class Nodes:
    """The nodes of one run while it is driven: what they wait for, and how they end.

    `ending` is why the run is about to end, None while it is not. `unmounted` are the nodes that are no longer in the
    tree and whose cancellation is not durable yet. `edited` are the new requests of nodes that wait with an old one.
    """

    def __init__(
        self,
        journal: Journal,
        tree: RenderedTree,
        slots: Slots,
        outputs: Outputs,
        readers: Readers,
        chance: Callable[[], float],
        clocks: Clocks | None,
    ) -> None:
        self.ending: Ending | None = None
        self.unmounted: set[NodeKey] = set()
        self.edited: dict[NodeKey, Event] = {}
        self.timers = Timers(clocks)
        self.listeners = Listeners()
        self._journal = journal
        self._tree = tree
        self._slots = slots
        self._outputs = outputs
        self._readers = readers
        self._chance = chance
        self._backing_off: list[tuple[int, Order, Place]] = []
        self._awaiting = Awaiting()

    @property
    def is_backing_off(self) -> bool:
        """Whether a node waits for the time of its retry."""
        return bool(self._backing_off)

    @property
    def next_due_ms(self) -> int | None:
        """When the next retry or timer is due, in milliseconds since the epoch; None if there is none."""
        timer_ms = self.timers.next_due_ms(self._journal.now_ms) if self.ending is None else None
        if not self._backing_off:
            return timer_ms
        retry_ms = self._backing_off[0][0]
        return retry_ms if timer_ms is None else min(retry_ms, timer_ms)

    def place_of(self, node: NodeRecord) -> Place | None:
        """Return a node's place in the tree; None if it is no longer in the tree."""
        place = self._tree.place(node.node_id)
        is_gone = place is None or place.key != node.key or place.is_dropped or node.key in self.unmounted
        return None if is_gone else place

    def replan(self) -> None:
        """Forget all waits of the old plan after a new rendering."""
        self._slots.replan()
        self._backing_off.clear()
        self.timers.clear()
        self.listeners.clear()
        self._awaiting.clear()
        self.edited.clear()

    # Approvals

    def new_requests(self) -> list[Event]:
        """Return the requests that replace those of waiting nodes, unless they were decided or dropped meanwhile."""
        nodes = self._journal.state.nodes
        waiting = (key for key in self.edited if nodes[key].state.is_waiting)
        return [self.edited[key] for key in waiting if key not in self.unmounted]

    def requested_again(self) -> None:
        """Enter the places whose new requests are durable, so that they wait for what these say."""
        for key in self.edited:
            place = self.place_of(self._journal.state.nodes[key])
            if place is not None:
                self._tree.plan.requeue(place)
        self.edited.clear()

    # Ends

    def finish(
        self, node: NodeRecord, output: str, *, attempt: int | None = None, reused_from: str | None = None
    ) -> None:
        """End a node with an output, as JSON text."""
        self._outputs.put(node.key, output)
        self._journal.step.outputs.append((node.key, output, self._journal.now_ms))
        self._journal.emit(events.NodeFinished(*node.key, attempt, reused_from))
        self._readers.output_changed(node.node_id)
        self.end(node)

    def skip(self, node: NodeRecord) -> None:
        """End a node as skipped."""
        self._journal.emit(events.NodeSkipped(*node.key))
        self.end(node)

    def give_up(self, node: NodeRecord) -> None:
        """Fail a node that was interrupted by too many crashes in a row."""
        error = InterruptedTooOften(
            f"The process died {node.crashes_in_row} times in a row while {node.kind} {node.node_id!r} was running."
        )
        self._journal.emit(events.NodeFailed(*node.key, ErrorInfo.of(error), is_final=True))
        self.fail(node)

    def fail(self, node: NodeRecord) -> None:
        """Continue after a node that has failed for good if it has continue_on_fail; otherwise fail the run."""
        place = self.place_of(node)
        if place is None or _may_fail(place):
            self.end(node)
        elif self.ending is None:
            assert node.error is not None
            what = f"{node.kind} {node.node_id!r} failed: {node.error.message}"
            self.end_run(Fail(ErrorInfo(node.error.code, node.error.name, what)))

    def end(self, node: NodeRecord) -> None:
        """Mark a node's place as ended, so that the places after it become due."""
        place = self.place_of(node)
        if place is not None and place.progress is Progress.REACHED:
            self._tree.plan.end(place)
        self.wake_readers(node.node_id)
        self.unmounted.discard(node.key)

    def end_run(self, ending: Ending) -> None:
        """Begin to end the run: start nothing more and stop the running attempts. A cancel wins over the rest."""
        if self.ending is None:
            self._journal.step.stops.extend(self._slots.running)
            self.ending = ending
        elif isinstance(ending, Cancel):
            self.ending = ending

    # Retries

    def next_try_ms(self, node: NodeRecord, delay_s: float | None) -> int | None:
        """Return when a node whose attempt fails now is to be retried, None where it has no retries left.

        `delay_s` is the delay that the error asks for; None: the node's policy decides.
        """
        place, retry = self.place_of(node), node.failures + 1
        if place is None or retry > (policy := _retry_policy(place)).retries:
            return None
        if delay_s is None:
            delay_s = policy.delay_before_s(retry, self._chance())
        return self._journal.now_ms + round(delay_s * 1000)

    def retry(self, node: NodeRecord, due_ms: int) -> None:
        """Schedule a retry of a node that has failed."""
        place = self.place_of(node)
        assert place is not None, f"{node.node_id!r} is retried and not in the tree"
        self._journal.emit(events.NodeRetrying(*node.key, node.attempt + 1, due_ms))
        self.back_off(place, due_ms)

    def resume_backing_off(self, place: Place, node: NodeRecord, due_ms: int) -> None:
        """Wait for the time of a retry that the log has, but no longer than the delay that was set then.

        The machine's clock may have been set back since.
        """
        delay_ms = due_ms - self._journal.state.waits[node.key].requested_at_ms
        latest_ms = self._journal.now_ms + delay_ms
        if due_ms > latest_ms:
            due_ms = latest_ms
            self._journal.emit(events.NodeRetrying(*node.key, node.attempt + 1, due_ms))
        self.back_off(place, due_ms)

    def back_off(self, place: Place, due_ms: int) -> None:
        """Let a place wait for the time of its retry."""
        heappush(self._backing_off, (due_ms, place.order, place))

    def retry_due(self, now_ms: int) -> None:
        """Offer slots to the places whose retry is due."""
        while self._backing_off and self._backing_off[0][0] <= now_ms:
            _, _, place = heappop(self._backing_off)
            self._slots.offer(place)

    # Waiting for outputs

    def await_output(self, place: Place, error: OutputNotReady) -> None:
        """Let a place wait until the output that it reads exists; fail the run if it never will."""
        awaited = self._journal.state.latest(error.node_id)
        target = self._tree.place(error.node_id)
        has_ended = awaited is not None and awaited.state.is_final
        if has_ended or (target is not None and target.progress is Progress.ENDED):
            self.end_run(Fail(ErrorInfo.of(never_ready(place, error, awaited))))
        else:
            self._awaiting.park(place, error)

    def wake_readers(self, node_id: str) -> None:
        """Make the places due again that wait for the output of a node, which has ended."""
        for place in self._awaiting.take(node_id):
            self._tree.plan.requeue(place)

    def appeared(self, top: Place) -> None:
        """What stands in a place is known now: those that asked for it by a name that tells it only now look again."""
        self._readers.output_changed(top.id)
        self.wake_readers(top.id)
        for place in (inner for child in top.children for inner in child.walk() if inner.has_own_id):
            if place.node is None:
                self._readers.output_changed(place.id)
            self.wake_readers(place.id)
            if place.own_id != place.id:
                self._readers.element_appeared(place.own_id)
                self.wake_readers(place.own_id)

    def fail_stalled(self) -> None:
        """Fail a run in which nothing runs or waits but which has not reached its end."""
        self.end_run(Fail(ErrorInfo.of(self._awaiting.stalled(self._tree.plan))))


def _may_fail(place: Place) -> bool:
    attempts = _attempts(place)
    return attempts is not None and attempts.continues_on_fail


def _retry_policy(place: Place) -> RetryPolicy:
    attempts = _attempts(place)
    assert attempts is not None, f"{place.id!r} has no attempts"
    return attempts.retry


def _attempts(place: Place) -> Attempts | None:
    return None if place.node is None else node_kind_of(place.node).attempts(place.node)

"""What becomes of a run's nodes: finished, tried again, failed for good; and of the run when one cannot go on."""

from collections.abc import Callable
from heapq import heappop, heappush

from smithersd.core.flow.awaiting import Awaiting, never_ready
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
from smithersd.errors import ErrorInfo, InterruptedTooOften, InvalidOutput, OutputNotReady


class Nodes:
    """The nodes of one run while it is driven: what they wait for, and how they end.

    `ending` is why the run is about to end, None while it is not; `unmounted` are nodes that the tree has dropped and
    whose cancellation is not durable yet; `edited` are questions of nodes that still wait for the answer to another.
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
        """When the next retry or timer is due, None when nothing waits for a time."""
        timer_ms = self.timers.next_due_ms(self._journal.now_ms) if self.ending is None else None
        if not self._backing_off:
            return timer_ms
        retry_ms = self._backing_off[0][0]
        return retry_ms if timer_ms is None else min(retry_ms, timer_ms)

    def place_of(self, node: NodeRecord) -> Place | None:
        """Where a node stands in the tree, None where the tree has dropped it."""
        place = self._tree.place(node.node_id)
        return None if place is None or place.is_dropped or node.key in self.unmounted else place

    def replan(self) -> None:
        """After a new rendering: nothing waits in the old plan any more."""
        self._slots.replan()
        self._backing_off.clear()
        self.timers.clear()
        self._awaiting.clear()
        self.edited.clear()

    # Approvals

    def questions(self) -> list[Event]:
        """What nodes have to ask anew, unless they were answered or dropped meanwhile."""
        nodes = self._journal.state.nodes
        waiting = (key for key in self.edited if nodes[key].state.is_waiting)
        return [self.edited[key] for key in waiting if key not in self.unmounted]

    # Ends

    def finish(
        self, node: NodeRecord, output: str, *, attempt: int | None = None, reused_from: str | None = None
    ) -> None:
        """A node has ended with an output."""
        self._outputs.put(node.key, output)
        self._journal.step.outputs.append((node.key, output, self._journal.now_ms))
        self._journal.emit(events.NodeFinished(*node.key, attempt, reused_from))
        self._readers.output_changed(node.node_id)
        self.end(node)

    def skip(self, node: NodeRecord) -> None:
        """A node has ended without being begun."""
        self._journal.emit(events.NodeSkipped(*node.key))
        self.end(node)

    def give_up(self, node: NodeRecord) -> None:
        """A node that kills its process is not begun again."""
        error = InterruptedTooOften(
            f"The process died {node.crashes_in_row} times in a row while {node.kind} {node.node_id!r} ran."
        )
        self._journal.emit(events.NodeFailed(*node.key, ErrorInfo.of(error)))
        self.fail(node)

    def fail(self, node: NodeRecord) -> None:
        """A node has failed for good: the flow goes on if it may, else the run fails."""
        place = self.place_of(node)
        if place is None or _may_fail(place):
            self.end(node)
        elif self.ending is None:
            assert node.error is not None
            what = f"{node.kind} {node.node_id!r} failed: {node.error.message}"
            self.end_run(Fail(ErrorInfo(node.error.code, node.error.name, what)))

    def end(self, node: NodeRecord) -> None:
        """A node has ended, whatever with: what that makes due becomes due."""
        place = self.place_of(node)
        if place is not None and place.progress is Progress.REACHED:
            self._tree.plan.end(place)
        self.wake_readers(node.node_id)
        self.unmounted.discard(node.key)

    def end_run(self, ending: Ending) -> None:
        """Begin to end the run: nothing new starts, what runs is told to stop. A cancel wins over the rest."""
        if self.ending is None:
            self._journal.step.stops.extend(self._slots.running)
            self.ending = ending
        elif isinstance(ending, Cancel):
            self.ending = ending

    # Retries

    def is_retried(self, node: NodeRecord) -> bool:
        """Try a node that has failed again later, if it has retries left; return whether it has.

        An output that was refused is not made again: the work was done, and once more would do it twice.
        """
        place = self.place_of(node)
        if place is None or (node.error is not None and node.error.code == InvalidOutput.code):
            return False
        policy = _retry_policy(place)
        if node.failures > policy.retries:
            return False
        delay_s = policy.delay_before_s(node.failures, self._chance())
        due_ms = self._journal.now_ms + round(delay_s * 1000)
        self._journal.emit(events.NodeRetrying(*node.key, node.attempt + 1, due_ms))
        self.back_off(place, due_ms)
        return True

    def go_on_backing_off(self, place: Place, node: NodeRecord, due_ms: int) -> None:
        """Wait for the time that an earlier driver or rendering has set, but no longer than the policy's delay.

        The machine's clock may have been put back since.
        """
        longest_s = _retry_policy(place).delay_before_s(node.failures, 0)
        latest_ms = self._journal.now_ms + round(longest_s * 1000)
        if due_ms > latest_ms:
            due_ms = latest_ms
            self._journal.emit(events.NodeRetrying(*node.key, node.attempt + 1, due_ms))
        self.back_off(place, due_ms)

    def back_off(self, place: Place, due_ms: int) -> None:
        """A place waits for the time of its retry."""
        heappush(self._backing_off, (due_ms, place.order, place))

    def retry_due(self, now_ms: int) -> None:
        """Make the retries ready whose time has come."""
        while self._backing_off and self._backing_off[0][0] <= now_ms:
            _, _, place = heappop(self._backing_off)
            self._slots.offer(place)

    # Waiting for outputs

    def await_output(self, place: Place, error: OutputNotReady) -> None:
        """Park a place until the output that it reads is there; fail the run when it can never be."""
        awaited = self._journal.state.latest(error.node_id)
        target = self._tree.place(error.node_id)
        has_ended = awaited is not None and awaited.state.is_final
        if has_ended or (target is not None and target.progress is Progress.ENDED):
            self.end_run(Fail(ErrorInfo.of(never_ready(place, error, awaited))))
        else:
            self._awaiting.park(place, error)

    def wake_readers(self, node_id: str) -> None:
        """A node has ended: those that waited for its output look again."""
        for place in self._awaiting.take(node_id):
            self._tree.plan.requeue(place)

    def fail_stalled(self) -> None:
        """The run neither runs nor waits for anybody: it fails, and says what it waits for in vain."""
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

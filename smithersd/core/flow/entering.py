"""Enter the places that the flow reaches. Kinds say what that means; the actions that they use are here."""

from collections.abc import Callable
from typing import Any

from smithersd.core.flow.nodes import Nodes
from smithersd.core.flow.outputs import OutputNotInMemory
from smithersd.core.flow.slots import Slots
from smithersd.core.kinds.node_kind import Due, Wait
from smithersd.core.kinds.registry import node_kind_named, node_kind_of
from smithersd.core.log import events
from smithersd.core.log.events import Event
from smithersd.core.log.fold import RunState
from smithersd.core.log.journal import Journal
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.signals import SignalAddress, address_of
from smithersd.core.log.states import NodeState, WaitKind
from smithersd.core.reuse.rule import Reuse
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import Evaluated
from smithersd.core.tree.rendered_tree import RenderedTree
from smithersd.elements import Context, Node
from smithersd.elements.element import Condition, Reference
from smithersd.errors import ErrorInfo, OutputNotReady, UnknownDependency
from smithersd.limits import CRASHES_IN_A_ROW_MAX


class Entering:
    """The `FlowActions` of one run, and what leads from reaching a node to its start, its wait or its end."""

    def __init__(self, journal: Journal, tree: RenderedTree, slots: Slots, nodes: Nodes, reuse: Reuse) -> None:
        self._journal = journal
        self._tree = tree
        self._slots = slots
        self._nodes = nodes
        self._reuse = reuse

    def enter(self, place: Place) -> None:
        """Enter a place that the flow has reached, or let it wait for an output that it reads.

        Raises:
            OutputNotInMemory: an output must be fetched first; then the place is entered again.
            UnknownDependency: a dependency is not in the tree, and no due place can add it.
            WorkflowError: an author's function raised.
        """
        try:
            place.kind.enter(place, self)
        except OutputNotInMemory:
            self._tree.plan.return_next(place)
            raise
        except OutputNotReady as error:
            self._nodes.await_output(place, error)
        except UnknownDependency:
            if not self._tree.plan.postpone(place):
                raise

    def wake_due(self) -> None:
        """Continue the retries and timers whose time has come."""
        self._nodes.retry_due(self.now_ms)
        if self._nodes.ending is not None:
            return
        for place, late_ms in self._nodes.timers.take_due(self.now_ms):
            node = self.state.nodes[place.key]
            if node.state.is_waiting and node.key not in self._nodes.unmounted:
                node_kind_named(node.kind).due(node, late_ms, self)

    def deliver(self) -> bool:
        """Give the oldest kept signal to the node that has waited longest for it; return whether there was one."""
        listeners, kept = self._nodes.listeners, self.state.signals
        while listeners.changed:
            address = next(iter(listeners.changed))
            signal = kept.first(address)
            place = None if signal is None else listeners.first(address, self._is_waiting_for(address))
            if signal is not None and place is not None:
                element = _node_at(place)
                node_kind_of(element).signalled(element, self.state.nodes[place.key], signal, self)
                return True
            del listeners.changed[address]
        return False

    def listener(self, address: SignalAddress) -> Node[Any] | None:
        """Return the element that will take the next signal of an address, None if none waits for it."""
        place = self._nodes.listeners.first(address, self._is_waiting_for(address))
        return None if place is None else _node_at(place)

    def _is_waiting_for(self, address: SignalAddress) -> Callable[[Place], bool]:
        def is_waiting(place: Place) -> bool:
            node = self.state.nodes[place.key]
            wait = node.waits.get(WaitKind.SIGNAL)
            if not node.state.is_waiting or wait is None or self._nodes.place_of(node) is not place:
                return False
            assert isinstance(wait.request, events.NodeWaitingEvent)
            return address_of(wait.request) == address

        return is_waiting

    def decided(self, node: NodeRecord, event: Event) -> None:
        """Record a person's decision about a node, and let its kind do what follows."""
        self._journal.emit(event)
        node_kind_named(node.kind).decided(node, self)

    def fired(self, node: NodeRecord, fired_by: str | None) -> None:
        """Let a node's kind do what follows when somebody has ended its wait for a time."""
        node_kind_named(node.kind).fired(node, fired_by, self)

    # The actions of kinds

    @property
    def state(self) -> RunState:
        """The run's state."""
        return self._journal.state

    @property
    def now_ms(self) -> int:
        """The time of the events of this turn, in milliseconds since the epoch."""
        return self._journal.now_ms

    def emit(self, event: Event) -> None:
        """Add an event to the step, and apply it to the state."""
        self._journal.emit(event)

    def evaluate(self, condition: Condition, place: Place, what: str) -> Evaluated[bool]:
        """Evaluate a condition that stands at a place; `what` names it in errors."""
        return self._tree.evaluate(condition, place, what)

    def call(self, function: Callable[[Context[Any]], object], place: Place, what: str) -> Evaluated[object]:
        """Call an author's function of the context that stands at a place; `what` names it in errors."""
        return self._tree.call(function, place, what)

    def place_of(self, key: NodeKey) -> Place:
        """Return where a node that the flow has reached stands."""
        place = self._tree.plan.places[key[0]]
        assert place.key == key
        return place

    def node_id(self, reference: Reference, place: Place) -> str:
        """Return the id of the node that is meant at a place."""
        target = self._tree.plan.find(reference, place.scope)
        assert target is not None, f"{reference!r} is not in the tree"
        return target.output_source.id

    def expand(self, place: Place) -> None:
        """Render a lazy subtree and reach it."""
        self._tree.expand(place)
        self._nodes.appeared(place)

    def choose(self, place: Place, value: bool) -> None:  # noqa: FBT001 - the branch's answer
        """Reach one side of a branch; places that wait for a node of the other side are entered again."""
        for dropped in self._tree.choose(place, value):
            self._nodes.wake_readers(dropped.id)
        self._nodes.appeared(place)

    def start(self, node: NodeRecord) -> None:
        """Start an attempt as soon as there is a slot, unless the node is no longer in the tree."""
        place = self._nodes.place_of(node)
        if place is not None:
            self._slots.offer(place)

    def wait_until(self, node: NodeRecord, due: Due) -> None:
        """Call the kind's `due` when the wait is due, unless the node is no longer in the tree."""
        place = self._nodes.place_of(node)
        if place is not None:
            self._nodes.timers.wait(place, due, self.now_ms)

    def wait_for_signal(self, node: NodeRecord, address: SignalAddress) -> None:
        """Call the kind's `signalled` when there is a signal for the node, unless it is no longer in the tree."""
        place = self._nodes.place_of(node)
        if place is not None:
            self._nodes.listeners.add(place, address, node.waits[WaitKind.SIGNAL].requested_at_ms)

    def finish(self, node: NodeRecord, output: str) -> None:
        """End a node with an output, as JSON."""
        self._nodes.finish(node, output)

    def skip(self, node: NodeRecord) -> None:
        """End a node without an output."""
        self._nodes.skip(node)

    def fail(self, node: NodeRecord, error: ErrorInfo) -> None:
        """End a node with an error, and the run with it unless the node has continue_on_fail."""
        self._journal.emit(events.NodeFailed(*node.key, error, is_final=True))
        self._nodes.fail(node)

    def ask_again(self, node: NodeRecord, request: Event) -> None:
        """Replace the request of a waiting node, unless a decision is accepted before that."""
        self._nodes.edited[node.key] = request

    def enter_node(self, place: Place) -> None:
        """Start a node, or continue from the state that the log gives it."""
        node = self.state.nodes[place.key]
        if node.state is NodeState.FAILED:
            self._nodes.fail(node)
        elif node.state.is_final or node.key in self._nodes.unmounted:
            self._tree.plan.end(place)
            self._nodes.wake_readers(place.id)
        elif node.state is NodeState.PENDING:
            self._enter_pending(place, node)
        elif node.state is NodeState.IN_PROGRESS:
            self._slots.adopt(place)
        else:
            element = _node_at(place)
            node_kind_of(element).resume_waiting(element, node, self)

    def _enter_pending(self, place: Place, node: NodeRecord) -> None:
        if node.retry_at_ms is not None:
            self._nodes.resume_backing_off(place, node, node.retry_at_ms)
        elif node.crashes_in_row > CRASHES_IN_A_ROW_MAX:
            self._nodes.give_up(node)
        elif node.has_begun:  # it was interrupted, or is approved
            self._slots.offer(place)
        else:
            self._begin(place, node)

    def _begin(self, place: Place, node: NodeRecord) -> None:
        element = _node_at(place)
        skip_if = self._tree.evaluate(element.skip_if, place, f"skip_if of {element.kind} {place.id!r}")
        if skip_if.value:
            self._nodes.skip(node)
            return
        wait = node_kind_of(element).wait(element, node.key, self)
        reads = skip_if.reads if wait is None else skip_if.reads | wait.reads
        if self._reuse.is_early(place, reads) and self._tree.plan.postpone(place):
            return
        output = self._reuse.output_for(place, element, reads)
        if output is not None:
            self._nodes.finish(node, output, reused_from=self.state.from_run_id)
        elif wait is None:
            self._slots.offer(place)
        else:
            self._wait(node, wait)

    def _wait(self, node: NodeRecord, wait: Wait) -> None:
        """Request and wait; a wait that is due already ends at once."""
        self._journal.emit(wait.request)
        late_ms = None if wait.due is None else self._nodes.timers.late_ms(wait.due, self.now_ms)
        if late_ms is not None:
            node_kind_named(node.kind).due(node, late_ms, self)
            return
        if wait.waiting is not None:
            self._journal.emit(wait.waiting)
        if wait.due is not None:
            self.wait_until(node, wait.due)
        if wait.signal is not None:
            self.wait_for_signal(node, wait.signal)


def _node_at(place: Place) -> Node[Any]:
    assert place.node is not None, f"{place.id!r} is no node"
    return place.node

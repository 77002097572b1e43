"""An earlier run, as a run that reuses its outputs needs it: outputs, the order of events, and dependencies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from smithersd.core.log import events
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import NodeState
from smithersd.core.log.transitions import TRANSITIONS
from smithersd.core.tree.facts import Tree, is_container, key_of


@dataclass(slots=True, eq=False)
class Position:
    """An element in the tree of a run's frames.

    `outputs_read` and `states_read` are the nodes that were read by the functions that returned it: the workflow
    function and the lazy subtrees around it.
    """

    tree: Tree
    parent: "Position | None"
    index: int
    outputs_read: frozenset[str]
    states_read: frozenset[str]
    children: "list[Position]" = field(default_factory=list)

    @property
    def id(self) -> str:
        """The element's id: the author's, or the one from its position."""
        element_id: str = self.tree["id"]
        return element_id

    @property
    def is_node(self) -> bool:
        """Whether it is a node; otherwise it is a container."""
        return not is_container(self.tree)

    @property
    def arguments(self) -> list[str]:
        """The nodes whose outputs are among a node's arguments."""
        return list(self.tree.get("arguments", ()))

    @property
    def depends_on(self) -> list[str]:
        """The nodes and containers that had to end before a node."""
        return list(self.tree.get("dependsOn", ()))

    def around(self) -> "Iterator[Position]":
        """Yield this position and the containers around it, the innermost first."""
        position: Position | None = self
        while position is not None:
            yield position
            position = position.parent

    def nodes(self) -> "Iterator[Position]":
        """Yield the nodes at this position and below it, in tree order."""
        stack = [self]
        while stack:
            position = stack.pop()
            if position.is_node:
                yield position
            stack.extend(reversed(position.children))


def positions_of(tree: Tree) -> dict[str, Position]:
    """Return all elements of a whole tree by their ids."""
    nothing: frozenset[str] = frozenset()
    positions: dict[str, Position] = {}
    stack = [_position(tree, None, 0, nothing, nothing)]
    while stack:
        position = stack.pop()
        positions[position.id] = position
        position.children = [
            _position(child, position, index, position.outputs_read, position.states_read)
            for index, child in enumerate(position.tree.get("children", ()))
        ]
        stack.extend(reversed(position.children))
    return positions


def _position(
    tree: Tree, parent: Position | None, index: int, outputs_read: frozenset[str], states_read: frozenset[str]
) -> Position:
    more_outputs, more_states = tree.get("readsOutputs"), tree.get("readsStates")
    return Position(
        tree,
        parent,
        index,
        outputs_read | frozenset(more_outputs) if more_outputs else outputs_read,
        states_read | frozenset(more_states) if more_states else states_read,
    )


@dataclass(slots=True)
class Order:
    """The order in which a run's nodes were mounted, began and ended, by the seq of the event."""

    mounted: dict[NodeKey, int] = field(default_factory=dict)
    begun: dict[NodeKey, int] = field(default_factory=dict)
    ended: dict[NodeKey, int] = field(default_factory=dict)

    def apply(self, recorded: Recorded) -> None:
        """Add the next event of the log."""
        event: Any = recorded.event
        move = TRANSITIONS[type(event)].node
        if move is None or move.target is NodeState.CANCELLED:
            return
        key = (event.node_id, event.iteration)
        if isinstance(event, events.NodePending):
            self.mounted.setdefault(key, recorded.seq)
            return
        self.begun.setdefault(key, recorded.seq)
        if move.target is not None and move.target.is_final:
            self.ended[key] = recorded.seq

    def has_ended_before(self, key: NodeKey, other: NodeKey) -> bool:
        """Return whether a node had ended when another one began."""
        return key in self.ended and other in self.begun and self.ended[key] < self.begun[other]


class EarlierRun:
    """An ended run whose outputs a new run can reuse."""

    def __init__(self, state: RunState, order: Order, tree: Tree | None, outputs: Mapping[NodeKey, str]) -> None:
        self.state = state
        self.order = order
        self.outputs = outputs
        self.positions = {} if tree is None else positions_of(tree)

    @property
    def run_id(self) -> str:
        """The earlier run's id."""
        return self.state.run_id

    def node(self, node_id: str) -> NodeRecord | None:
        """Return a node's record; None if the run did not have the node."""
        return self.state.latest(node_id)

    def had_ended_before(self, node_id: str, other: NodeKey) -> bool:
        """Return whether a node had ended when another one began."""
        key = self.state.latest_keys.get(node_id)
        return key is not None and self.order.has_ended_before(key, other)

    def begun_at(self, node_id: str) -> int:
        """Return the seq of the event with which a node began; -1 if it never did."""
        key = self.state.latest_keys.get(node_id)
        return -1 if key is None else self.order.begun.get(key, -1)

    def in_order(self) -> list[NodeRecord]:
        """Return the nodes that had begun, in that order."""
        nodes = self.state.nodes
        return [nodes[key] for key in sorted(self.order.begun, key=self.order.begun.__getitem__)]

    def nodes_in(self, element_id: str) -> list[str]:
        """Return the id of a node, or those of all nodes in a container."""
        position = self.positions.get(element_id)
        return [element_id] if position is None else [node.id for node in position.nodes()]

    def needed_by(self, position: Position) -> set[str]:
        """Return the nodes that had to end before a node: its arguments, depends_on, and what an approval shows."""
        return {node_id for element_id in position.depends_on for node_id in self.nodes_in(element_id)}

    def read_by(self, position: Position) -> set[str]:
        """Return the nodes that were read by the functions and branch conditions around a node."""
        read = set(position.outputs_read | position.states_read)
        for around in position.around():
            decided = self.state.branches.get(key_of(around.tree))
            if decided is not None:
                read |= set(decided.reads)
        return read

    def was_approved(self, key: NodeKey) -> bool:
        """Return whether a person approved a node, in this run or in the one whose output it reused.

        An output that was reused by a node that needs an approval had one.
        """
        node = self.state.nodes.get(key)
        if node is None:
            return False
        if node.reused_from is not None:
            position = self.positions.get(node.node_id)
            return position is not None and bool(position.tree.get("needsApproval"))
        return node.approval is not None and node.approval.is_approved is True

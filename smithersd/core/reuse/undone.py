"""Find the effects of an earlier run that it may have undone after a failure."""

from dataclasses import dataclass

from smithersd.core.kinds.kind import ChildOrder
from smithersd.core.kinds.registry import kind_named, node_kind_named
from smithersd.core.log.records import NodeRecord
from smithersd.core.log.states import NodeState
from smithersd.core.reuse.earlier import EarlierRun, Position


@dataclass(frozen=True, slots=True)
class Undoing:
    """Why a node's effect may have been undone: `by` used it after `failed` had failed."""

    by: str
    failed: str


def undone_in(earlier: EarlierRun) -> dict[str, Undoing]:
    """Return the nodes of a run whose effects a later node may have undone, and why.

    A node that runs after a failure may tear down what was set up or pay back what was charged, and only the order of
    events distinguishes it from any other node. So a task or shell X counts as undone when another one, Y,

    - used X: has its output among the arguments, names it in depends_on, or has plain arguments and was returned by a
      function that read X's output;
    - ran in that run, and finished;
    - came after a node Z that failed for good after X had ended: behind Z in a sequence, or depending on Z or on what
      came after it. A node that ran beside Z without depending on it would have run anyhow, and undoes nothing.

    A Y that has the output of Z itself among its arguments handles the failure, as a summary of parts does, and undoes
    nothing; unless it runs because of the failure: it was mounted only after it, in a branch or a lazy subtree, or it
    has a skip_if.

    Not considered are outputs that Y got through another node, attempts that did not finish, and decisions of people:
    there, name the nodes that are to run again with `--redo`.
    """
    failures = _Failures(earlier)
    undone: dict[str, Undoing] = {}
    for node in earlier.in_order():
        position = earlier.positions.get(node.node_id)
        if position is None:
            continue
        before = failures.before(node, position)
        failed = failures.latest(before, position) if _has_acted(node) else None
        if failed is not None:
            undone |= {used: Undoing(node.node_id, failed) for used in _undoable(earlier, position, failed)}
    return undone


def _has_acted(node: NodeRecord) -> bool:
    return node.state is NodeState.FINISHED and bool(node.attempts)


def _undoable(earlier: EarlierRun, by: Position, failed: str) -> set[str]:
    """Return the nodes that the node `by` used and that had ended when the node `failed` failed."""
    used = earlier.needed_by(by) | (by.outputs_read if by.tree.get("plainArguments") else frozenset())
    failure = earlier.node(failed)
    assert failure is not None
    ended = earlier.order.ended
    return {
        node.node_id
        for node in map(earlier.node, used)
        if node is not None
        and node_kind_named(node.kind).has_effect
        and node.has_output
        and ended[node.key] < ended[failure.key]
    }


class _Failures:
    """Which failed nodes came before a node, by the order of the tree; a set of them is an int with a bit for each.

    Call `before` for all nodes in the order in which they began, since each result builds on the earlier ones.
    """

    def __init__(self, earlier: EarlierRun) -> None:
        self._earlier = earlier
        ended = earlier.order.ended
        failed = [node for node in earlier.state.nodes.values() if node.state is NodeState.FAILED]
        self._failed = [node.node_id for node in sorted(failed, key=lambda node: ended[node.key])]
        self._bits = {node_id: 1 << index for index, node_id in enumerate(self._failed)}
        self._until: dict[str, int] = {}

    def latest(self, before: int, position: Position) -> str | None:
        """Return the node of a set that failed last, without those whose failure the node handles; None if none is."""
        for argument in position.arguments:
            if self._handles_failure(position, argument):
                before &= ~self._bits[argument]
        return self._failed[before.bit_length() - 1] if before else None

    def before(self, node: NodeRecord, position: Position) -> int:
        """Return the failed nodes that came before this one."""
        before = 0
        for around in position.around():
            before |= self._until_sibling_before(around)
        for named in position.depends_on:
            before |= self._until.get(named, 0)
        for node_id in self._earlier.read_by(position):
            if self._earlier.had_ended_before(node_id, node.key):
                before |= self._until.get(node_id, 0)
        until = before | self._bits.get(node.node_id, 0)
        for around in position.around():
            self._until[around.id] = self._until.get(around.id, 0) | until
        return before

    def _until_sibling_before(self, position: Position) -> int:
        """Return the failed nodes in the nearest earlier sibling of a sequence in which anything began."""
        parent = position.parent
        if parent is None or kind_named(parent.tree["kind"]).order is not ChildOrder.IN_TURN:
            return 0
        siblings = reversed(parent.children[: position.index])
        return next((self._until[sibling.id] for sibling in siblings if sibling.id in self._until), 0)

    def _handles_failure(self, position: Position, argument: str) -> bool:
        """Return whether a node handles the failure of another one, and would have run without it too."""
        order = self._earlier.order
        handler, given = self._earlier.node(position.id), self._earlier.node(argument)
        assert handler is not None
        if given is None or argument not in self._bits or position.tree.get("skipIf"):
            return False
        return order.mounted[handler.key] < order.ended[given.key]

"""Reuse the outputs of an earlier run (`up --from`): the rule, and a forecast of what it leads to.

**The rule.** A node's output is reused only if everything that the node depends on was reused too:

1. The output exists, is of the same kind of node and fits its type, and `--redo` does not name the node.
2. What the node needs is unchanged: its arguments, `depends_on`, what an approval shows; the nodes that were read by
   its own `skip_if` or `until`, by the conditions of the branches and the functions of the lazy subtrees around it, and
   by the workflow function. A node is unchanged if its output was reused, or if it ended without an output in the same
   way as before: skipped again, or again in the branch's child that was not chosen. A node that failed is changed,
   however it ends now. A node that was only read and has not ended is unchanged if it had not ended either when the
   reading node began in the earlier run.
3. If the node needs an approval, it had one.
4. No later node may have undone its effect: `undone_in` (`core/reuse/undone.py`) says when.

1 to 3 are evaluated when the flow reaches the node; what it depends on has ended by then. 4 looks at the earlier run
only, since a node is reached before the one that undid it. Branches are decided again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from smithersd.core.kinds.registry import kind_named, node_kind_of
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import NodeState
from smithersd.core.reuse.earlier import EarlierRun, Position
from smithersd.core.reuse.undone import undone_in
from smithersd.core.tree.frames import ROOT_SCOPE
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import Readers, ScopeReads
from smithersd.core.tree.rendered_tree import RenderedTree
from smithersd.elements import Node
from smithersd.errors import InvalidOutput


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a new run will reuse, as far as that is known beforehand: an edit of the workflow may change it.

    `rerun` are the nodes that had begun and will run again, with the reason, in the order in which they ran.
    """

    from_run_id: str
    reused: frozenset[str]
    rerun: dict[str, str]


def forecast(earlier: EarlierRun, refused: Mapping[str, str]) -> Forecast:
    """Return beforehand what will be reused of an earlier run; `refused` are nodes that will not be, and why."""
    rerun: dict[str, str] = {}
    reused: set[str] = set()
    for node in earlier.in_order():
        reason = _reason(node, refused) or _follows(earlier, node, rerun)
        if reason is not None:
            rerun[node.node_id] = reason
        elif node.has_output:
            reused.add(node.node_id)
    return Forecast(earlier.run_id, frozenset(reused), rerun)


def _reason(node: NodeRecord, refused: Mapping[str, str]) -> str | None:
    if node.state is NodeState.SKIPPED:
        return None
    return refused.get(node.node_id) if node.has_output else f"it had {_ended(node)}"


def _ended(node: NodeRecord) -> str:
    return {NodeState.FAILED: "failed", NodeState.CANCELLED: "been cancelled"}.get(node.state, "not ended")


def _follows(earlier: EarlierRun, node: NodeRecord, rerun: dict[str, str]) -> str | None:
    position = earlier.positions.get(node.node_id)
    if position is None or not node.has_output:
        return None
    found = next((node_id for node_id in _needs(earlier, node, position) if node_id in rerun), None)
    return None if found is None else f"it depends on {found!r}"


def _needs(earlier: EarlierRun, node: NodeRecord, position: Position) -> list[str]:
    read = {node_id for node_id in earlier.read_by(position) if earlier.had_ended_before(node_id, node.key)}
    return sorted(earlier.needed_by(position) | read, key=earlier.begun_at)


class Reuse:
    """Decides node by node what is reused of an earlier run, if there is one."""

    def __init__(self, earlier: EarlierRun | None, state: RunState, tree: RenderedTree, readers: Readers) -> None:
        self._earlier = earlier
        self._undone = {} if earlier is None else undone_in(earlier)
        self._unfit: dict[str, str] = {}
        self._state = state
        self._tree = tree
        self._readers = readers
        self._containers: dict[str, bool] = {}

    def forecast(self) -> Forecast | None:
        """Return beforehand what will be reused; None if there is no earlier run."""
        if self._earlier is None:
            return None
        undone = {used: f"{by.by!r} used it after {by.failed!r} had failed" for used, by in self._undone.items()}
        return forecast(self._earlier, undone | dict.fromkeys(self._state.redo, "--redo") | self._unfit)

    def replan(self) -> None:
        """Forget the results for containers, which may hold other nodes after a new rendering."""
        self._containers.clear()

    def is_early(self, place: Place, reads: ScopeReads) -> bool:
        """Return whether a node is reached before one that it read and that had ended before it in the earlier run.

        The output of that other node may be about to be reused in the same turn.
        """
        if self._earlier is None or self._earlier.outputs.get(place.key) is None:
            return False
        return any(
            not self._has_ended(node_id) and not self._is_unchanged(node_id, read_by=place.key)
            for node_id in self._all_read(place, reads)
        )

    def output_for(self, place: Place, node: Node[object], reads: ScopeReads) -> str | None:
        """Return the output to reuse for a node that the flow has reached; None if the node has to run."""
        before = None if self._earlier is None else self._earlier.node(place.id)
        if before is None or place.id in self._undone or place.id in self._state.redo:
            return None
        output = self._fitting_output(before, place, node)
        if output is not None and self._needs_unchanged(place) and self._reads_unchanged(place, reads):
            return output
        return None

    def _fitting_output(self, before: NodeRecord, place: Place, node: Node[object]) -> str | None:
        """Return a node's earlier output if it still fits; otherwise keep the reason for the forecast."""
        assert self._earlier is not None
        output = self._earlier.outputs.get(before.key)
        if output is None:
            return None
        if before.kind != node.kind:
            self._unfit[place.id] = f"it was {kind_named(before.kind).with_article} before"
        elif (reason := node_kind_of(node).unfit_reason(node, place.key, self._earlier)) is not None:
            self._unfit[place.id] = reason
        else:
            try:
                node.schema.load(output)
            except InvalidOutput as error:
                self._unfit[place.id] = f"its output no longer fits its type ({error.message})"
        return None if place.id in self._unfit else output

    def _needs_unchanged(self, place: Place) -> bool:
        return all(self._is_whole_unchanged(target) for target in place.after)

    def _is_whole_unchanged(self, target: Place) -> bool:
        """Return whether a node, or everything in a container, is unchanged."""
        if target.node is not None:
            return self._is_unchanged(target.id)
        known = self._containers.get(target.id)
        if known is None:
            known = self._containers[target.id] = all(self._is_part_unchanged(inner) for inner in target.walk())
        return known

    def _is_part_unchanged(self, place: Place) -> bool:
        if place.node is not None:
            return self._is_unchanged(place.id)
        return all(map(self._is_unchanged, self._read_by(place)))

    def _reads_unchanged(self, place: Place, reads: ScopeReads) -> bool:
        return all(self._is_unchanged(node_id, read_by=place.key) for node_id in self._all_read(place, reads))

    def _all_read(self, place: Place, reads: ScopeReads) -> set[str]:
        node_ids = reads.all | self._readers.reads_of(ROOT_SCOPE).all
        around: Place | None = place
        while around is not None:
            node_ids |= self._read_by(around)
            around = around.parent
        return node_ids

    def _read_by(self, place: Place) -> set[str]:
        """Return the nodes that the function of a lazy subtree or the condition of a branch has read."""
        decided = self._state.branches.get(place.key)
        return self._readers.reads_of(place.id).all | (set() if decided is None else set(decided.reads))

    def _has_ended(self, node_id: str) -> bool:
        node = self._state.latest(node_id)
        return node is not None and node.state.is_final

    def _is_unchanged(self, node_id: str, *, read_by: NodeKey | None = None) -> bool:
        """Return whether a node is unchanged, as the rule says; `read_by` is a node that only read it."""
        assert self._earlier is not None
        now, before = self._state.latest(node_id), self._earlier.node(node_id)
        if now is not None and now.state.is_final:
            if now.has_output:
                return now.reused_from is not None
            return now.state is not NodeState.FAILED and before is not None and before.state is now.state
        if read_by is not None:
            return not self._earlier.had_ended_before(node_id, read_by)
        return before is None or not before.state.is_final

"""A run as it stands now, read once: for whoever looks at it from outside and goes away again."""

from dataclasses import dataclass

from smithersd.core.log.fold import ApprovalRecord, NodeKey, RunState
from smithersd.core.log.states import NodeState
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import FrameTree
from smithersd.query.json import shown_key
from smithersd.query.questions import Question, question_of
from smithersd.query.stored_log import read_state
from smithersd.store import Store
from smithersd.store.records import InboxRow, RunRow


@dataclass(frozen=True, slots=True)
class Reading:
    """A run's row, its folded log, its tree, its outputs as JSON text, and what was left for it and not applied yet.

    `tree` is None before the first frame.
    """

    row: RunRow
    state: RunState
    tree: Tree | None
    node_ids: list[str]
    outputs: dict[NodeKey, str]
    inbox: list[InboxRow]

    @property
    def waiting_approvals(self) -> list[tuple[NodeKey, ApprovalRecord]]:
        """The gates that wait for a person, the one that has waited longest first."""
        waiting = [
            (node.key, node.gate)
            for node in self.state.nodes.values()
            if node.state is NodeState.WAITING_APPROVAL and node.gate is not None
        ]
        return sorted(waiting, key=lambda one: one[1].requested_at_ms)

    def question(self, key: NodeKey, gate: ApprovalRecord) -> Question:
        """Return what a gate asks."""
        iterations = sorted(iteration for node_id, iteration in self.state.nodes if node_id == gate.show)
        shown = shown_key(self.state, gate, key[1], iterations)
        return question_of(key, gate, None if shown is None else self.outputs.get(shown))


async def read_run(store: Store, run_id: str) -> Reading:
    """Read a run as it stands.

    Raises:
        RunNotFound: there is no such run.
    """
    # The row comes first and the log is read at least as far: what the row says has ended has ended in the log too.
    row = await store.run(run_id)
    state = await read_state(store, run_id)
    frames = FrameTree()
    for frame in await store.frames(run_id, up_to_frame_no=state.frame_no):
        frames.apply(frame.scopes)
    outputs = {(one.node_id, one.iteration): one.output for one in await store.outputs(run_id)}
    tree = frames.tree() if state.frame_no else None
    return Reading(row, state, tree, frames.node_ids(), outputs, await store.inbox(run_id))

"""A run as it stands now, read once: for whoever looks at it from outside and goes away again."""

from dataclasses import dataclass

from smithersd.core.log.fold import NodeKey, RunState
from smithersd.core.log.states import NodeState
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import FrameTree
from smithersd.query.approvals import PendingApproval, read_approval
from smithersd.query.stored_log import read_state
from smithersd.store import Store
from smithersd.store.records import InboxRow, RunRow


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run's row, its folded log, its tree, its outputs as JSON text, and what was left for it and not applied yet.

    `tree` is None before the first frame. `approvals` wait for a person, the one that has waited longest first.
    """

    row: RunRow
    state: RunState
    tree: Tree | None
    node_ids: list[str]
    outputs: dict[NodeKey, str]
    approvals: list[PendingApproval]
    inbox: list[InboxRow]


async def read_snapshot(store: Store, run_id: str) -> Snapshot:
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
    return Snapshot(
        row=row,
        state=state,
        tree=frames.tree() if state.frame_no else None,
        node_ids=frames.node_ids(),
        outputs={(output.node_id, output.iteration): output.output for output in await store.outputs(run_id)},
        approvals=await _waiting(store, state),
        inbox=await store.inbox(run_id),
    )


async def _waiting(store: Store, state: RunState) -> list[PendingApproval]:
    waiting = [
        await read_approval(store, state.run_id, node.key, node.gate)
        for node in state.nodes.values()
        if node.state is NodeState.WAITING_APPROVAL and node.gate is not None
    ]
    return sorted(waiting, key=lambda approval: approval.requested_at_ms)

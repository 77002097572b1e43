"""A run as it stands now, read once: for whoever looks at it from outside and goes away again."""

from dataclasses import dataclass

from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import FrameTree
from smithersd.query.approvals import PendingApproval, read_approval
from smithersd.query.run_info import RunInfo
from smithersd.query.stored_log import read_state
from smithersd.store import Store


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """A request that was accepted and is still to be applied: "approve", "deny" (of a node), or "cancel"."""

    verb: str
    node_id: str | None
    iteration: int | None
    requested_by: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of a run: how it stands, its folded log, its tree, its outputs as JSON text, and what is still to be applied.

    `tree` is None before the first frame. `approvals` wait for a person, the one that has waited longest first.
    """

    info: RunInfo
    state: RunState
    tree: Tree | None
    node_ids: list[str]
    outputs: dict[NodeKey, str]
    approvals: list[PendingApproval]
    requests: list[AcceptedRequest]

    @property
    def undecided(self) -> list[PendingApproval]:
        """The approvals that nobody has decided yet."""
        decided = {(request.node_id, request.iteration) for request in self.requests}
        return [approval for approval in self.approvals if approval.key not in decided]


async def read_snapshot(store: Store, info: RunInfo) -> Snapshot:
    """Read a run as it stands.

    The log is read at least as far as the run's row went for `info`: what that says has ended has ended here too.
    """
    run_id = info.run_id
    state = await read_state(store, run_id)
    frames = FrameTree()
    for frame in await store.frames(run_id, up_to_frame_no=state.frame_no):
        frames.apply(frame.scopes)
    return Snapshot(
        info=info,
        state=state,
        tree=frames.tree() if state.frame_no else None,
        node_ids=frames.node_ids(),
        outputs={(output.node_id, output.iteration): output.output for output in await store.outputs(run_id)},
        approvals=await _waiting(store, state),
        requests=[
            AcceptedRequest(row.kind.value, row.node_id, row.iteration, row.decided_by)
            for row in await store.inbox(run_id)
        ],
    )


async def _waiting(store: Store, state: RunState) -> list[PendingApproval]:
    return [
        await read_approval(store, state.run_id, node.key, node.approval)
        for node in state.awaiting_approval
        if node.approval is not None
    ]

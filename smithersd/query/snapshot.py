"""Everything about a run as of one moment, read once."""

from dataclasses import dataclass

from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import FrameTree
from smithersd.query.approvals import PendingApproval, read_approval
from smithersd.query.run_info import RunInfo
from smithersd.query.stored_log import read_state
from smithersd.store import Store
from smithersd.store.records import RequestKind, RequestRow
from smithersd.store.requests import decision_of


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """A request that was accepted and not yet applied.

    `verb` is "approve", "deny" or "fire" for a node iteration, "cancel" or "signal" for the run.
    """

    verb: str
    node_id: str | None
    iteration: int | None
    requested_by: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run's status and driver, its state, its tree, its outputs as JSON text, and the requests to be applied.

    `tree` is None before the first frame. `approvals` are the pending ones, the one that has waited longest first.
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
    """Read a run as of now.

    The log is read at least as far as it went when `info` was read: a run that has ended there has ended here too.
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
            AcceptedRequest(_verb(row), row.node_id, row.iteration, row.sender) for row in await store.requests(run_id)
        ],
    )


def _verb(request: RequestRow) -> str:
    if request.kind is RequestKind.DECIDE:
        return "approve" if decision_of(request).approved else "deny"
    return request.kind.value


async def _waiting(store: Store, state: RunState) -> list[PendingApproval]:
    return [
        await read_approval(store, state.run_id, node.key, node.approval)
        for node in state.awaiting_approval
        if node.approval is not None
    ]

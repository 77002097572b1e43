"""What a run asks of a person, for those who are told of it."""

from collections.abc import Sequence

from smithersd.core.log.events import ApprovalRequested, Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeRecord
from smithersd.query.approvals import PendingApproval, read_approval
from smithersd.store import Store


async def read_waiting(run: RunState, node: NodeRecord, store: Store) -> PendingApproval:
    """Return what a node that waits asks; what it shows is read from the store."""
    assert node.approval is not None, f"{node.node_id} waits for nothing"
    return await read_approval(store, run.run_id, node.key, node.approval)


def has_question(recorded: Sequence[Recorded]) -> bool:
    """Whether an event among these asks a person."""
    return any(isinstance(one.event, ApprovalRequested) for one in recorded)

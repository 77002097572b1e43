"""The approvals of a run that wait for a person, read for reports and hooks."""

from collections.abc import Sequence

from smithersd.core.log.events import ApprovalRequested, Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeRecord
from smithersd.query.approvals import PendingApproval, read_approval
from smithersd.store import Store


async def read_waiting(run: RunState, node: NodeRecord, store: Store) -> PendingApproval:
    """Return the pending approval of a node; the output that it shows is read from the store."""
    assert node.approval is not None, f"{node.node_id} has no approval"
    return await read_approval(store, run.run_id, node.key, node.approval)


def has_approval_request(recorded: Sequence[Recorded]) -> bool:
    """Return whether an approval was requested among these events."""
    return any(isinstance(entry.event, ApprovalRequested) for entry in recorded)

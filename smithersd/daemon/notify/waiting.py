"""The gates of a run that wait for a person, followed from step to step without looking at every node."""

from collections.abc import Sequence

from smithersd.core.log.events import ApprovalRequested, Recorded
from smithersd.core.log.fold import NodeKey, NodeRecord, RunState
from smithersd.core.log.states import NodeState
from smithersd.query.approvals import PendingApproval, read_approval
from smithersd.store import Store


async def read_waiting(run: RunState, node: NodeRecord, store: Store) -> PendingApproval:
    """Return what a node that waits asks; what it shows is read from the store."""
    assert node.gate is not None, f"{node.node_id} waits for nothing"
    return await read_approval(store, run.run_id, node.key, node.gate)


class WaitingApprovals:
    """What waits for a person at present, in the order of asking."""

    def __init__(self, run: RunState) -> None:
        self._run = run
        self._asked: dict[NodeKey, None] = {node.key: None for node in run.nodes.values() if _waits(node)}

    def follow(self, recorded: Sequence[Recorded]) -> bool:
        """Take in the events of a step; return whether a gate began to wait."""
        asked = [one.event for one in recorded if isinstance(one.event, ApprovalRequested)]
        self._asked.update({(event.node_id, event.iteration): None for event in asked})
        return bool(asked)

    @property
    def waiting(self) -> list[NodeRecord]:
        """The nodes whose gates wait."""
        nodes = [self._run.nodes[key] for key in self._asked]
        waiting = [node for node in nodes if _waits(node)]
        self._asked = {node.key: None for node in waiting}
        return waiting


def _waits(node: NodeRecord) -> bool:
    return node.state is NodeState.WAITING_APPROVAL

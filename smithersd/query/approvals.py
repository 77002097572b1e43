"""Read approvals with everything that a person needs to decide them, the same for every place that shows them."""

from dataclasses import dataclass
from typing import Any

import pydantic_core

from smithersd.core.log.events import JsonValue
from smithersd.core.log.records import ApprovalRecord, NodeKey, WaitRecord
from smithersd.core.log.states import WaitKind, WaitStatus
from smithersd.elements.kinds import OnDeny
from smithersd.errors import ApprovalNotPending
from smithersd.limits import SHOWN_BYTES_MAX
from smithersd.store import Store


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A question to a person. `shown` is the output of the node `show`, or the start of its JSON if it `is_cut`."""

    node_id: str
    iteration: int
    title: str
    summary: str | None
    metadata: JsonValue
    on_deny: OnDeny
    requested_at_ms: int
    show: str | None
    shown: JsonValue
    is_cut: bool

    @property
    def key(self) -> NodeKey:
        """The node iteration that asks."""
        return (self.node_id, self.iteration)


async def read_approval(store: Store, run_id: str, key: NodeKey, approval: ApprovalRecord) -> PendingApproval:
    """Return an approval's question, with the output that it shows from the store."""
    request = approval.request
    output = None if request.show is None else await store.shown_output(run_id, request.show, key[1])
    shown, is_cut = _cut(output)
    return PendingApproval(
        node_id=key[0],
        iteration=key[1],
        title=request.title,
        summary=request.summary,
        metadata=request.metadata,
        on_deny=request.on_deny,
        requested_at_ms=approval.requested_at_ms,
        show=request.show,
        shown=shown,
        is_cut=is_cut,
    )


async def undecided_approvals(store: Store, run_id: str) -> list[PendingApproval]:
    """Return the approvals that nobody has decided yet, the longest waiting first, without reading the run's log."""
    return [await _read(store, run_id, wait) for wait in await undecided_waits(store, run_id)]


async def approval_of_node(store: Store, run_id: str, node_id: str, iteration: int | None) -> PendingApproval:
    """Return the question of a node; without an iteration, the latest.

    Raises:
        ApprovalNotPending: the node has never asked for an approval.
    """
    asked = [
        wait
        for wait in await store.waits(run_id, WaitKind.APPROVAL)
        if wait.key[0] == node_id and iteration in {None, wait.key[1]}
    ]
    if not asked:
        raise ApprovalNotPending(
            f"Node {node_id!r} of run {run_id!r} has not asked for an approval.",
            remedy=f"`smithers inspect {run_id}` lists the nodes that have.",
        )
    return await _read(store, run_id, asked[-1])


async def undecided_waits(store: Store, run_id: str) -> list[WaitRecord]:
    """Return the waits for decisions that nobody has made yet; a decision counts even before it is applied."""
    decided = {(row.node_id, row.iteration) for row in await store.requests(run_id)}
    waits = await store.waits(run_id, WaitKind.APPROVAL)
    return [wait for wait in waits if wait.status is WaitStatus.OPEN and wait.key not in decided]


async def _read(store: Store, run_id: str, wait: WaitRecord) -> PendingApproval:
    return await read_approval(store, run_id, wait.key, ApprovalRecord.of(wait))


def _cut(output: str | None) -> tuple[Any, bool]:
    """Return an output as a value and False, or the start of its JSON text and True if that is too long to show."""
    if output is None:
        return None, False
    text = output.encode()
    if len(text) <= SHOWN_BYTES_MAX:
        return pydantic_core.from_json(text), False
    return text[:SHOWN_BYTES_MAX].decode(errors="ignore"), True

"""What a run asks of people, read from its store."""

import pydantic_core

from smithersd.query.questions import Question, cut_output
from smithersd.query.select import pending_approvals
from smithersd.store import Store
from smithersd.store.records import ApprovalRow


async def pending_questions(store: Store, run_id: str) -> list[Question]:
    """Return what waits for a person and nobody has answered yet, the longest waiting first."""
    return [await read_question(store, run_id, gate) for gate in await pending_approvals(store, run_id)]


async def read_question(store: Store, run_id: str, gate: ApprovalRow) -> Question:
    """Return what a gate asks, or has asked."""
    shown, is_cut = cut_output(await _shown(store, run_id, gate))
    return Question(
        node_id=gate.node_id,
        iteration=gate.iteration,
        title=gate.title,
        summary=gate.summary,
        metadata=pydantic_core.from_json(gate.metadata),
        on_deny=gate.on_deny,
        requested_at_ms=gate.requested_at_ms,
        show=gate.show,
        shown=shown,
        is_cut=is_cut,
    )


async def _shown(store: Store, run_id: str, gate: ApprovalRow) -> str | None:
    """The output of the same iteration, or of a node outside the loop."""
    if gate.show is None:
        return None
    output = await store.output(run_id, gate.show, gate.iteration)
    return output if output is not None or not gate.iteration else await store.output(run_id, gate.show, 0)

"""The inbox as the flow understands it."""

import pydantic_core

from smithersd.core.kinds.approval import Answer
from smithersd.store.records import InboxKind, InboxRow


def answer_of(row: InboxRow) -> Answer:
    """Return the decision that an inbox row holds."""
    assert row.node_id is not None
    assert row.iteration is not None
    return Answer(
        key=(row.node_id, row.iteration),
        is_granted=row.kind is InboxKind.APPROVE,
        note=row.note,
        decided_by=row.decided_by,
        decision=None if row.decision is None else pydantic_core.from_json(row.decision),
        decided_at_ms=row.created_at_ms,
    )

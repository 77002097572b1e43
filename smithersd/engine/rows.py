"""Steps as rows: what the flow has decided, in the form that a store writes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pydantic_core

from smithersd.core.flow.step import FrameChange, Step
from smithersd.core.log import events
from smithersd.core.log.events import JsonValue, Recorded, encode
from smithersd.core.log.fold import RunState, asked
from smithersd.core.log.records import ApprovalRecord, NodeKey
from smithersd.core.log.states import ApprovalStatus, NodeState
from smithersd.core.log.transitions import run_status_after
from smithersd.errors import ErrorInfo
from smithersd.store.records import ApprovalRow, Batch, EventRow, FrameRow, OutputRow


def batch_of(step: Step, state: RunState) -> Batch:
    """Return a step's rows; `state` is the run's state with the step applied."""
    return Batch(
        status=state.status,
        events=_event_rows(step.events, state.run_id),
        outputs=tuple(OutputRow(*key, text, at_ms) for key, text, at_ms in step.outputs),
        frames=tuple(_frame_row(frame) for frame in step.frames),
        approvals=tuple(_approval_row(key, state.nodes[key].approval) for key in step.waits),
    )


def closing_batch(closing: Sequence[Recorded], state: RunState) -> Batch:
    """Return the rows of closing events that the state has not taken in yet."""
    last = closing[-1]
    status = run_status_after(last.event) or state.status
    return Batch(
        status=status,
        events=_event_rows(closing, state.run_id),
        approvals=tuple(_touched_approvals(closing, state)),
        finished_at_ms=last.timestamp_ms if status.is_final else None,
        error=error_text(last.event.error) if isinstance(last.event, events.RunFailed) else None,
    )


def error_text(error: ErrorInfo) -> str:
    """Write an error as the JSON of a run's row."""
    return pydantic_core.to_json(error).decode()


def _event_rows(recorded: Iterable[Recorded], run_id: str) -> tuple[EventRow, ...]:
    return tuple(
        EventRow(
            one.seq,
            one.timestamp_ms,
            type(one.event).__name__,
            getattr(one.event, "node_id", None),
            encode(one.event, run_id, one.timestamp_ms),
        )
        for one in recorded
    )


def _frame_row(frame: FrameChange) -> FrameRow:
    return FrameRow(frame.frame_no, frame.created_at_ms, frame.hash, pydantic_core.to_json(frame.scopes).decode())


def _approval_row(key: NodeKey, approval: ApprovalRecord | None) -> ApprovalRow:
    assert approval is not None, f"{key} never asked"
    return ApprovalRow(
        node_id=key[0],
        iteration=key[1],
        status=approval.status,
        title=approval.title,
        summary=approval.summary,
        metadata=_json(approval.metadata),
        show=approval.show,
        on_deny=approval.on_deny,
        requested_at_ms=approval.requested_at_ms,
        note=approval.note,
        decided_by=approval.decided_by,
        decision=None if approval.decision is None else _json(approval.decision),
        decided_at_ms=approval.decided_at_ms,
    )


def _touched_approvals(closing: Sequence[Recorded], state: RunState) -> Iterable[ApprovalRow]:
    for recorded in closing:
        match recorded.event:
            case events.NodeCancelled(node_id, iteration):
                node = state.nodes[node_id, iteration]
                if node.state is NodeState.WAITING_APPROVAL:
                    yield replace(_approval_row(node.key, node.approval), status=ApprovalStatus.CANCELLED)
            case events.ApprovalRequested(node_id, iteration) as question:
                yield _approval_row((node_id, iteration), asked(question, recorded.timestamp_ms))
            case _:
                pass


def _json(value: JsonValue) -> str:
    return pydantic_core.to_json(value).decode()

"""Convert steps of the flow to the rows that a store writes."""

from collections.abc import Iterable, Sequence
from typing import Any

import pydantic_core

from smithersd.core.flow.step import FrameChange, Step
from smithersd.core.log import events
from smithersd.core.log.event_json import encode
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import WaitRecord
from smithersd.core.log.states import WaitKind
from smithersd.core.log.transitions import TRANSITIONS, attempt_state_after, node_state_after, run_status_after
from smithersd.core.log.waits import waits_after
from smithersd.errors import ErrorInfo
from smithersd.store.records import Batch, EventRow, FrameRow, OutputRow


def batch_of(step: Step, state: RunState) -> Batch:
    """Return the rows of a step; `state` is the run's state after the step."""
    return Batch(
        status=state.status,
        events=tuple(_event_row(recorded, state.run_id) for recorded in step.events),
        outputs=tuple(OutputRow(*key, text, at_ms) for key, text, at_ms in step.outputs),
        frames=tuple(_frame_row(frame) for frame in step.frames),
        waits=_changed_waits(step.events, state),
        signals_kept=state.signals.count,
    )


def closing_batch(closing: Sequence[Recorded], state: RunState) -> Batch:
    """Return the rows of closing events; `state` is the run's state before them."""
    last = closing[-1]
    status = run_status_after(last.event) or state.status
    return Batch(
        status=status,
        events=tuple(_event_row(recorded, state.run_id) for recorded in closing),
        waits=tuple(_waits_to_change(closing, state)),
        signals_kept=state.signals.count,
        finished_at_ms=last.timestamp_ms if status.is_final else None,
        error=error_text(last.event.error) if isinstance(last.event, events.RunFailed) else None,
    )


def error_text(error: ErrorInfo) -> str:
    """Return an error as the JSON text of a run's row."""
    return pydantic_core.to_json(error).decode()


def _event_row(recorded: Recorded, run_id: str) -> EventRow:
    event: Any = recorded.event
    return EventRow(
        recorded.seq,
        recorded.timestamp_ms,
        type(event).__name__,
        getattr(event, "node_id", None),
        encode(event, run_id, recorded.timestamp_ms),
        getattr(event, "iteration", None),
        getattr(event, "attempt", None),
        node_state_after(event),
        attempt_state_after(event),
    )


def _frame_row(frame: FrameChange) -> FrameRow:
    return FrameRow(frame.frame_no, frame.created_at_ms, frame.hash, pydantic_core.to_json(frame.scopes).decode())


def _changed_waits(log: Iterable[Recorded], state: RunState) -> tuple[WaitRecord, ...]:
    """Return the waits that the events have changed, each once, as they are in `state`, the state after the events."""
    changed: dict[tuple[str, int, WaitKind], WaitRecord] = {}
    for recorded in log:
        event: Any = recorded.event
        move = TRANSITIONS[type(event)].wait
        if move is None or move.target is None:
            continue
        for kind, wait in state.nodes[event.node_id, event.iteration].waits.items():
            if move.kind in {None, kind}:
                changed[event.node_id, event.iteration, kind] = wait
    return tuple(changed.values())


def _waits_to_change(closing: Iterable[Recorded], state: RunState) -> Iterable[WaitRecord]:
    for recorded in closing:
        event: Any = recorded.event
        if TRANSITIONS[type(event)].wait is not None:
            node = state.nodes[event.node_id, event.iteration]
            yield from waits_after(node.waits, node.key, event, recorded.timestamp_ms)

"""Apply an event to its node's waits. `core/log/transitions.py` says which events open and end a wait."""

from collections.abc import Mapping
from dataclasses import replace

from smithersd.core.log.events import Event
from smithersd.core.log.records import NodeKey, WaitRecord
from smithersd.core.log.states import WaitKind, WaitStatus
from smithersd.core.log.transitions import TRANSITIONS


def waits_after(waits: Mapping[WaitKind, WaitRecord], key: NodeKey, event: Event, at_ms: int) -> tuple[WaitRecord, ...]:
    """Return the waits of a node that an event opens or changes, as they are after it; often none."""
    move = TRANSITIONS[type(event)].wait
    if move is None or move.target is None:
        return ()
    if move.target is WaitStatus.OPEN:
        assert move.kind is not None
        return (WaitRecord(key, move.kind, event, at_ms, None if move.due_at_ms is None else move.due_at_ms(event)),)
    answer = event if move.target is WaitStatus.ENDED else None
    return tuple(
        replace(wait, status=move.target, answer=answer, ended_at_ms=at_ms)
        for kind, wait in waits.items()
        if move.kind in {None, kind} and wait.status is WaitStatus.OPEN
    )

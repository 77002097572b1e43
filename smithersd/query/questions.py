"""What a person is asked, with all that is needed to decide: the same wherever it is shown."""

from dataclasses import dataclass
from typing import Any

import pydantic_core

from smithersd.core.log.events import JsonValue
from smithersd.core.log.fold import ApprovalRecord, NodeKey
from smithersd.elements.kinds import OnDeny
from smithersd.limits import SHOWN_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Question:
    """A gate's question. `shown` is the output of the node `show`; if it `is_cut`, the beginning of its JSON text."""

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
        """Which node iteration asks."""
        return (self.node_id, self.iteration)


def question_of(key: NodeKey, gate: ApprovalRecord, shown_output: str | None) -> Question:
    """Return what a gate asks; `shown_output` is the JSON text of what it shows, None where there is nothing."""
    shown, is_cut = cut_output(shown_output)
    return Question(
        node_id=key[0],
        iteration=key[1],
        title=gate.title,
        summary=gate.summary,
        metadata=gate.metadata,
        on_deny=gate.on_deny,
        requested_at_ms=gate.requested_at_ms,
        show=gate.show,
        shown=shown,
        is_cut=is_cut,
    )


def cut_output(output: str | None) -> tuple[Any, bool]:
    """Return an output as a value, or the beginning of its JSON text where that is too long to be shown."""
    if output is None:
        return None, False
    text = output.encode()
    if len(text) <= SHOWN_BYTES_MAX:
        return pydantic_core.from_json(text), False
    return text[:SHOWN_BYTES_MAX].decode(errors="ignore"), True

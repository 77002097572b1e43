"""Approval: a gate that a person opens or closes."""

from collections.abc import Iterator
from typing import Any

import pydantic_core
from pydantic import BaseModel, ConfigDict

from smithersd.config import GATE_TEXT_BYTES_MAX, LABEL_BYTES_MAX
from smithersd.elements.element import Condition, Element, Node, Reference, References, check_text
from smithersd.elements.kinds import NodeKind, OnDeny
from smithersd.elements.schema import Schema
from smithersd.errors import WorkflowError


class Decision(BaseModel):
    """What a person said to a gate: the output of an `Approval`."""

    model_config = ConfigDict(frozen=True)

    approved: bool
    note: str | None = None
    decided_by: str | None = None
    decided_at_ms: int
    decision: Any = None


_DECISION = Schema(Decision)


class Approval(Node[Decision]):
    """A gate: the flow waits here for a person; its output is their `Decision`.

    `show` is the node whose output helps to decide. Denied, `on_deny="fail"` fails the node and so the run, "continue"
    goes on with `approved=False`, "skip" skips the node.

    >>> from smithersd import Sequence, Task
    >>> notes = Task("notes", lambda: "Fixes the crash on start.")
    >>> gate = Approval("publish", title="Publish it?", show=notes, metadata={"risk": "low"})
    >>> steps = Sequence(notes, gate)
    """

    __slots__ = ("metadata", "on_deny", "show", "summary", "title")

    kind = "approval"
    node_kind = NodeKind.APPROVAL

    def __init__(
        self,
        id: str,
        *,
        title: str | None = None,
        summary: str | None = None,
        show: Reference | None = None,
        metadata: Any = None,
        on_deny: str = "fail",
        skip_if: Condition = False,
        depends_on: References = (),
        label: str | None = None,
    ) -> None:
        super().__init__(id, label=label, skip_if=skip_if, depends_on=depends_on, schema=_DECISION)
        self.title = title if title is not None else f"Approve {id}?"
        self.summary = summary
        self.show = _checked_show(show, id)
        self.metadata = _checked_metadata(metadata, id)
        self.on_deny = _checked_on_deny(on_deny, id)
        check_text(title, f"title of approval {id!r}", bytes_max=LABEL_BYTES_MAX)
        check_text(summary, f"summary of approval {id!r}", bytes_max=GATE_TEXT_BYTES_MAX)

    def references(self) -> Iterator[Reference]:
        """Everything that must have ended before: what is shown, and depends_on."""
        if self.show is not None:
            yield self.show
        yield from self.depends_on


def _checked_show(show: object, id: str) -> str | None:
    if show is None or isinstance(show, str):
        return show
    if isinstance(show, Node):
        return show.id
    kind = show.kind if isinstance(show, Element) else type(show).__name__
    raise WorkflowError(
        f"show of approval {id!r} is a {kind}, which has no output.",
        remedy="Name the task whose output helps to decide.",
    )


def _checked_metadata(metadata: object, id: str) -> Any:
    try:
        text = pydantic_core.to_json(metadata, inf_nan_mode="constants")
        value = pydantic_core.from_json(text, allow_inf_nan=False)
    except (pydantic_core.PydanticSerializationError, ValueError) as error:
        raise WorkflowError(
            f"metadata of approval {id!r} cannot be written as JSON: {error}", remedy="Give plain data."
        ) from None
    if len(text) > GATE_TEXT_BYTES_MAX:
        raise WorkflowError(
            f"metadata of approval {id!r} has {len(text)} bytes of JSON; at most {GATE_TEXT_BYTES_MAX} are kept.",
            remedy="Let a task put out what is larger, and show that.",
        )
    return value


def _checked_on_deny(on_deny: str, id: str) -> OnDeny:
    try:
        return OnDeny(on_deny)
    except ValueError:
        names = ", ".join(repr(one.value) for one in OnDeny)
        raise WorkflowError(f"on_deny of approval {id!r} is {on_deny!r}.", remedy=f"Choose one of {names}.") from None

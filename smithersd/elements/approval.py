"""Approval: ask a person, and wait for their decision."""

from collections.abc import Iterator
from typing import Any

import pydantic_core
from pydantic import BaseModel, ConfigDict

from smithersd.elements.element import Condition, Element, Node, Reference, References
from smithersd.elements.kinds import OnDeny
from smithersd.elements.texts import checked_text, chosen, plain_text
from smithersd.elements.values.nesting import is_deeper_than
from smithersd.elements.values.schema import Schema
from smithersd.errors import WorkflowError
from smithersd.limits import APPROVAL_TEXT_BYTES_MAX, JSON_DEPTH_MAX, LABEL_BYTES_MAX


class Decision(BaseModel):
    """What a person decided: the output of an `Approval`. It is true if they approved.

    Examples:
        >>> decision = Decision(approved=True, decided_by="ann", decided_at_ms=1_700_000_000_000)
        >>> "go" if decision else "stop"
        'go'
    """

    model_config = ConfigDict(frozen=True)

    approved: bool
    note: str | None = None
    decided_by: str | None = None
    decided_at_ms: int
    decision: Any = None

    def __bool__(self) -> bool:
        return self.approved


_DECISION = Schema(Decision)


class Approval(Node[Decision]):
    """Wait for a person's decision; the output is their `Decision`.

    `title` and `summary` say what is asked, `show` is the node whose output helps to decide, and `metadata` is any JSON
    for clients. If the person denies, `on_deny` says what follows: "fail" fails the node and so the run, "continue"
    finishes it with `approved=False`, "skip" skips it.

    Examples:
        >>> from smithersd import Sequence, Task
        >>> notes = Task("notes", lambda: "Fixes the crash on start.")
        >>> approval = Approval("publish", title="Publish it?", show=notes, metadata={"risk": "low"})
        >>> steps = Sequence(notes, approval)
    """

    __slots__ = ("metadata", "on_deny", "show", "summary", "title")

    kind = "approval"

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
        super().__init__(id, label=label, skip_if=skip_if, depends_on=depends_on)
        name = f"approval {self.id!r}"
        given_title = checked_text(title, f"title of {name}", bytes_max=LABEL_BYTES_MAX)
        self.title = f"Approve {self.id}?" if given_title is None else given_title
        self.summary = checked_text(summary, f"summary of {name}", bytes_max=APPROVAL_TEXT_BYTES_MAX)
        self.show = _checked_show(show, name)
        self.metadata = _checked_metadata(metadata, name)
        self.on_deny = chosen(OnDeny, on_deny, f"on_deny of {name}")
        self.schema = _DECISION

    def references(self) -> Iterator[Reference]:
        """Yield what must have ended before the approval is requested: what is shown, and what any node depends on."""
        if self.show is not None:
            yield self.show
        yield from super().references()


def _checked_show(show: object, name: str) -> Reference | None:
    if show is None:
        return None
    if isinstance(show, str):
        return plain_text(show)
    if isinstance(show, Element) and show.output_schema is not None:
        return show
    kind = show.kind if isinstance(show, Element) else type(show).__name__
    raise WorkflowError(
        f"show of {name} is a {kind}, which has no output.",
        remedy="Give a task, or the id of one, whose output helps to decide.",
    )


def _checked_metadata(metadata: object, name: str) -> Any:
    try:
        text = pydantic_core.to_json(metadata, inf_nan_mode="constants")
        value = pydantic_core.from_json(text, allow_inf_nan=False)
    except (pydantic_core.PydanticSerializationError, ValueError) as error:
        raise WorkflowError(
            f"metadata of {name} cannot be written as JSON: {error}", remedy="Give plain data."
        ) from None
    if is_deeper_than(value, JSON_DEPTH_MAX):
        raise WorkflowError(
            f"metadata of {name} is nested deeper than {JSON_DEPTH_MAX} levels.", remedy="Give flatter data."
        )
    if len(text) > APPROVAL_TEXT_BYTES_MAX:
        raise WorkflowError(
            f"metadata of {name} has {len(text)} bytes of JSON; at most {APPROVAL_TEXT_BYTES_MAX} are allowed.",
            remedy="Let a task return larger data, and give that task as show.",
        )
    return value

"""A step: what one turn of the flow has decided. It is stored in one transaction, and then acted on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smithersd.core.flow.values import Source
from smithersd.core.log.events import JsonValue, Recorded
from smithersd.core.log.records import NodeKey
from smithersd.core.tree.facts import Tree
from smithersd.elements import Element, Node


@dataclass(frozen=True, slots=True)
class FrameChange:
    """A new frame: the scopes that differ from the frame before; None for a scope that is gone."""

    frame_no: int
    hash: str
    scopes: Mapping[str, Tree | None]
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Start:
    """An attempt to start once the step is durable.

    `inputs` are the elements among its arguments that ended with an output, and the node that each stands for.
    """

    node: Node[Any]
    key: NodeKey
    attempt: int
    inputs: Mapping[Element[Any], Source]
    last_heartbeat: JsonValue

    @property
    def outputs(self) -> tuple[NodeKey, ...]:
        """The nodes whose outputs it runs with, each once."""
        return tuple(dict.fromkeys(source.key for source in self.inputs.values()))


@dataclass(slots=True)
class Step:
    """Everything that one turn adds: rows to write, attempts to start and stop, and notes for the process's log."""

    events: list[Recorded] = field(default_factory=list)
    outputs: list[tuple[NodeKey, str, int]] = field(default_factory=list)
    frames: list[FrameChange] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    stops: list[NodeKey] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

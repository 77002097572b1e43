"""Read the outputs that an attempt takes as arguments."""

from collections.abc import Mapping
from typing import Any

from smithersd.core.flow.outputs import read_output
from smithersd.elements import Node, Value

Texts = Mapping[str, str]
"""Outputs as JSON text by node id, of the nodes among an attempt's arguments that have one."""


def output_of(given: Node[Any] | Value[Any], texts: Texts) -> Any:
    """Return a node's output, validated by its schema, or a value made of it; None if the node ended without one.

    Raises:
        InvalidOutput: the stored output does not fit its schema (any more).
        ValueFailed: a value cannot be made of it.
    """
    node = given.source if isinstance(given, Value) else given
    text = texts.get(node.id)
    if text is None:
        return None
    output = read_output(node.id, text, node.schema)
    return given.of(output) if isinstance(given, Value) else output

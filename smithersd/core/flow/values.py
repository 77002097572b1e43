"""Read the outputs that an attempt takes as arguments."""

from collections.abc import Mapping
from typing import Any

from smithersd.core.flow.outputs import read_output
from smithersd.elements import Node

Texts = Mapping[str, str]
"""Outputs as JSON text by node id, of the nodes among an attempt's arguments that have one."""


def output_of(node: Node[Any], texts: Texts) -> Any:
    """Return a node's output, validated by its schema; None if it ended without one.

    Raises:
        InvalidOutput: the stored output does not fit its schema (any more).
    """
    text = texts.get(node.id)
    return None if text is None else read_output(node.id, text, node.schema)

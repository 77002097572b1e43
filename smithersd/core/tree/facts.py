"""The JSON that tells of an element in a frame: its shape, and how it is read."""

from typing import Any

from smithersd.core.log.records import FIRST_ITERATION, NodeKey

Tree = dict[str, Any]
"""An element as JSON: `{"kind", "id", "label"?, ...facts, "children"?: [Tree, ...]}`."""


def key_of(tree: Tree) -> NodeKey:
    """Return the key of what a tree's element has in the run's state: its id and its iteration."""
    return tree["id"], tree.get("iteration", FIRST_ITERATION)


def is_container(tree: Tree) -> bool:
    """Whether an element holds others, or may come to; else it is a node."""
    return "children" in tree

"""The JSON of an element in a frame: its shape, and how to read it."""

from typing import Any

from smithersd.core.log.records import FIRST_ITERATION, NodeKey

Tree = dict[str, Any]
"""An element as JSON: `{"kind", "id", "label"?, ...facts, "children"?: [Tree, ...]}`."""


def key_of(tree: Tree) -> NodeKey:
    """Return the key of a tree's element in the run's state: its id and its iteration."""
    return tree["id"], tree.get("iteration", FIRST_ITERATION)


def is_container(tree: Tree) -> bool:
    """Return whether an element is a container or a lazy subtree; otherwise it is a node."""
    return "children" in tree

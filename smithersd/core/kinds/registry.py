"""The registry of kinds: one entry for each class of elements, and one for lazy subtrees.

A new kind needs an element in `elements/`, a kind in a file beside this one, and a line here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from smithersd.core.kinds.approval import ApprovalKind
from smithersd.core.kinds.branch import BranchKind
from smithersd.core.kinds.group import GroupKind
from smithersd.core.kinds.kind import Kind
from smithersd.core.kinds.lazy import LazyKind
from smithersd.core.kinds.node_kind import NodeKind
from smithersd.core.kinds.parallel import ParallelKind
from smithersd.core.kinds.sequence import SequenceKind
from smithersd.core.kinds.shell import ShellKind
from smithersd.core.kinds.signal import SignalKind
from smithersd.core.kinds.task import TaskKind
from smithersd.core.kinds.timer import TimerKind
from smithersd.elements import Child, Element, Node
from smithersd.errors import StoreInvalid

_LAZY = LazyKind()
_NODES: tuple[NodeKind[Any], ...] = (TaskKind(), ShellKind(), ApprovalKind(), TimerKind(), SignalKind())
_OTHERS: tuple[Kind[Any], ...] = (SequenceKind(), ParallelKind(), BranchKind(), GroupKind(), _LAZY)

NODE_KINDS: Mapping[str, NodeKind[Any]] = MappingProxyType({kind.name: kind for kind in _NODES})
"""The kinds of nodes by their names."""

KINDS: Mapping[str, Kind[Any]] = MappingProxyType({kind.name: kind for kind in (*_NODES, *_OTHERS)})
"""All kinds by their names."""


def kind_of(child: Child) -> Kind[Any]:
    """Return the kind of an element or a lazy subtree."""
    return KINDS[child.kind] if isinstance(child, Element) else _LAZY


def node_kind_of(node: Node[Any]) -> NodeKind[Any]:
    """Return the kind of a node."""
    return NODE_KINDS[node.kind]


def kind_named(name: str) -> Kind[Any]:
    """Return the kind that a frame or an event names.

    Raises:
        StoreInvalid: this version has no such kind.
    """
    if name not in KINDS:
        raise _unknown(name)
    return KINDS[name]


def node_kind_named(name: str) -> NodeKind[Any]:
    """Return the kind of node that an event names.

    Raises:
        StoreInvalid: this version has no such kind.
    """
    if name not in NODE_KINDS:
        raise _unknown(name)
    return NODE_KINDS[name]


def _unknown(name: str) -> StoreInvalid:
    return StoreInvalid(
        f"The run has an element of kind {name!r}, which this version of smithersd does not know.",
        remedy="Use the version that drove the run.",
    )

"""Track which outputs and states the contexts of a run read, for each scope.

A scope is rendered again only when something that it read has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from smithersd.core.flow.outputs import Outputs
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.elements.element import Reference
from smithersd.elements.kinds import NodeState
from smithersd.elements.values.schema import Schema
from smithersd.errors import OutputNotReady

T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True)
class ScopeReads:
    """The ids of the nodes that one rendering of a scope, or one evaluation of a condition, has read.

    `strangers` are the ids of elements that were in no tree yet: which nodes they are is known once they are.
    """

    outputs: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)

    def __or__(self, other: "ScopeReads") -> "ScopeReads":
        return ScopeReads(self.outputs | other.outputs, self.states | other.states, self.strangers | other.strangers)

    @property
    def all(self) -> set[str]:
        """The nodes of which the output or the state was read."""
        return self.outputs | self.states


@dataclass(frozen=True, slots=True)
class Evaluated(Generic[T_co]):
    """What a condition or another function of the context returned, and what it read."""

    value: T_co
    reads: ScopeReads


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference means where it is read.

    `node_id` is whose change is to be noticed: a node, or what will tell which node it is. `key` is None where there is
    no node (yet), `schema` where its type is not known.
    """

    node_id: str
    key: NodeKey | None
    schema: Schema | None
    is_stranger: bool = False
    """Whether it is an element that stands nowhere yet."""


Lookup = Callable[[Reference], Found]
"""Finds what a reference means in one scope."""


class TrackedReads:
    """The `Reads` of one rendering: it reads the run's state and outputs, and records what was read."""

    def __init__(self, state: RunState, outputs: Outputs, lookup: Lookup) -> None:
        self.noted = ScopeReads()
        self._state = state
        self._outputs = outputs
        self._lookup = lookup

    def output(self, reference: Reference) -> Any:
        """Return the output.

        Raises:
            OutputNotReady: there is none (yet).
        """
        found = self._find(reference)
        self.noted.outputs.add(found.node_id)
        if found.key is None or not self._outputs.has(found.key):
            raise OutputNotReady(found.node_id)
        return self._outputs.read(found.key, found.schema)

    def latest(self, reference: Reference) -> tuple[bool, Any]:
        """Return whether the node has an output, and the latest one."""
        found = self._find(reference)
        self.noted.outputs.add(found.node_id)
        if found.key is None or not self._outputs.has(found.key):
            return False, None
        return True, self._outputs.read(found.key, found.schema)

    def state(self, reference: Reference) -> NodeState | None:
        """Return the node's state; None for a node that the run does not have (yet)."""
        found = self._find(reference)
        self.noted.states.add(found.node_id)
        node = None if found.key is None else self._state.nodes.get(found.key)
        return None if node is None else node.state

    def _find(self, reference: Reference) -> Found:
        found = self._lookup(reference)
        if found.is_stranger:
            self.noted.strangers.add(found.node_id)
        return found


class Readers:
    """Which scopes have read which nodes; `dirty` are the scopes to render again."""

    def __init__(self) -> None:
        self._by_scope: dict[str, ScopeReads] = {}
        self._of_output: dict[str, set[str]] = {}
        self._of_state: dict[str, set[str]] = {}
        self._of_stranger: dict[str, set[str]] = {}
        self.dirty: set[str] = set()

    def note(self, scope: str, reads: ScopeReads) -> None:
        """Record what a scope has read in its latest rendering."""
        self.forget(scope)
        self._by_scope[scope] = reads
        for node_id in reads.outputs:
            self._of_output.setdefault(node_id, set()).add(scope)
        for node_id in reads.states:
            self._of_state.setdefault(node_id, set()).add(scope)
        for element_id in reads.strangers:
            self._of_stranger.setdefault(element_id, set()).add(scope)

    def reads_of(self, scope: str) -> ScopeReads:
        """Return what the latest rendering of a scope has read."""
        return self._by_scope.get(scope) or ScopeReads()

    def forget(self, scope: str) -> None:
        """Remove a scope that is gone, or about to be rendered again."""
        self.dirty.discard(scope)
        reads = self._by_scope.pop(scope, None)
        if reads is None:
            return
        for node_id in reads.outputs:
            self._of_output[node_id].discard(scope)
        for node_id in reads.states:
            self._of_state[node_id].discard(scope)
        for element_id in reads.strangers:
            self._of_stranger[element_id].discard(scope)

    def output_changed(self, node_id: str) -> None:
        """Mark the scopes as dirty that have read a node's output."""
        self.dirty |= self._of_output.get(node_id, _NOBODY)

    def element_appeared(self, element_id: str) -> None:
        """An element of this id stands in the tree now."""
        self.dirty |= self._of_stranger.get(element_id, _NOBODY)

    @property
    def are_watching_states(self) -> bool:
        """Whether any scope has ever read a state."""
        return bool(self._of_state)

    def state_changed(self, node_id: str) -> None:
        """Mark the scopes as dirty that have read a node's state."""
        self.dirty |= self._of_state.get(node_id, _NOBODY)


_NOBODY: frozenset[str] = frozenset()

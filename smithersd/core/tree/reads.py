"""Track which outputs and states the contexts of a run read, for each scope.

A scope is rendered again only when something that it read has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from smithersd.core.flow.outputs import Outputs
from smithersd.core.log.fold import RunState
from smithersd.elements.kinds import NodeState
from smithersd.elements.values.schema import Schema

T_co = TypeVar("T_co", covariant=True)

SchemaLookup = Callable[[str], Schema | None]
"""Returns the schema of a node's output by the node's id; None if no such node is known (yet)."""


@dataclass(slots=True)
class ScopeReads:
    """The ids of the nodes that one rendering of a scope, or one evaluation of a condition, has read."""

    outputs: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)

    def __or__(self, other: "ScopeReads") -> "ScopeReads":
        return ScopeReads(self.outputs | other.outputs, self.states | other.states)

    @property
    def all(self) -> set[str]:
        """The nodes of which the output or the state was read."""
        return self.outputs | self.states


@dataclass(frozen=True, slots=True)
class Evaluated(Generic[T_co]):
    """What a condition or another function of the context returned, and what it read."""

    value: T_co
    reads: ScopeReads


class TrackedReads:
    """The `Reads` of one rendering: it reads the run's state and outputs, and records what was read."""

    def __init__(self, state: RunState, outputs: Outputs, schema_of: SchemaLookup) -> None:
        self.noted = ScopeReads()
        self._state = state
        self._outputs = outputs
        self._schema_of = schema_of

    def output(self, node_id: str, schema: Schema | None) -> tuple[bool, Any]:
        """Return whether the node has an output, and the output."""
        self.noted.outputs.add(node_id)
        key = self._state.latest_keys.get(node_id)
        if key is None or not self._outputs.has(key):
            return False, None
        return True, self._outputs.read(key, schema or self._schema_of(node_id))

    def state(self, node_id: str) -> NodeState | None:
        """Return the node's state; None for a node that the run does not have (yet)."""
        self.noted.states.add(node_id)
        node = self._state.latest(node_id)
        return None if node is None else node.state


class Readers:
    """Which scopes have read which nodes; `dirty` are the scopes to render again."""

    def __init__(self) -> None:
        self._by_scope: dict[str, ScopeReads] = {}
        self._of_output: dict[str, set[str]] = {}
        self._of_state: dict[str, set[str]] = {}
        self.dirty: set[str] = set()

    def note(self, scope: str, reads: ScopeReads) -> None:
        """Record what a scope has read in its latest rendering."""
        self.forget(scope)
        self._by_scope[scope] = reads
        for node_id in reads.outputs:
            self._of_output.setdefault(node_id, set()).add(scope)
        for node_id in reads.states:
            self._of_state.setdefault(node_id, set()).add(scope)

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

    def output_changed(self, node_id: str) -> None:
        """Mark the scopes as dirty that have read a node's output."""
        self.dirty |= self._of_output.get(node_id, _NOBODY)

    @property
    def are_watching_states(self) -> bool:
        """Whether any scope has ever read a state."""
        return bool(self._of_state)

    def state_changed(self, node_id: str) -> None:
        """Mark the scopes as dirty that have read a node's state."""
        self.dirty |= self._of_state.get(node_id, _NOBODY)


_NOBODY: frozenset[str] = frozenset()

"""The rendered tree of a run: its plan, its frames, and which nodes are part of it."""

from collections.abc import Callable, Iterator
from typing import Any

from smithersd.core.flow.step import FrameChange
from smithersd.core.kinds.registry import kind_named
from smithersd.core.log import events
from smithersd.core.log.journal import Journal
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import NodeState
from smithersd.core.tree.compile import compile_scope, tree_of
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import ROOT_SCOPE, FrameTree
from smithersd.core.tree.places import Place
from smithersd.core.tree.plan import Plan, check_no_cycle, has_dependencies
from smithersd.core.tree.reads import Evaluated, Found, Lookup, ScopeReads
from smithersd.core.tree.renderer import Renderer
from smithersd.core.tree.scope import ROOT, Scope
from smithersd.elements import Child, Context, Node
from smithersd.elements.element import Condition, Reference, reference_id
from smithersd.elements.values.schema import Schema
from smithersd.errors import InvalidOutput, WorkflowError


class RenderedTree:
    """Renders scopes that are due or stale, and emits what changed: NodePending and FrameCommitted."""

    def __init__(self, renderer: Renderer, journal: Journal, frames: FrameTree) -> None:
        self._renderer = renderer
        self._journal = journal
        self._frames = frames
        self._plan: Plan | None = None
        self._is_due = True
        self._schemas: dict[str, Schema] = {}

    @property
    def plan(self) -> Plan:
        """The plan of everything rendered so far."""
        assert self._plan is not None, "nothing was rendered yet"
        return self._plan

    @property
    def whole(self) -> Tree:
        """The tree as of the latest frame."""
        return self._frames.tree()

    def place(self, node_id: str) -> Place | None:
        """Return the place with this id; None if the plan has none, or nothing was rendered."""
        return None if self._plan is None else self._plan.places.get(node_id)

    @property
    def is_stale(self) -> bool:
        """Whether a rendering is due: nothing was rendered yet, or something that a scope has read has changed."""
        return self._is_due or bool(self._renderer.readers.dirty)

    def collect_schemas(self) -> None:
        """Collect the nodes' schemas from a rendering as at the run's start, so that outputs read by id are validated.

        Subtrees may read one another's outputs: one that cannot be rendered yet is tried again after the others.
        """
        unknown: list[tuple[Place | None, Callable[[], Child]]] = [
            (None, lambda: self._renderer.collect_schemas(self._lookup(ROOT)))
        ]
        has_found = True
        while has_found:
            has_found = False
            for scope in list(unknown):
                inner = self._collect_from(*scope)
                if inner is not None:
                    unknown.remove(scope)
                    unknown.extend((lazy, self._rendering_of(lazy)) for lazy in inner if lazy.kind.is_rendered_late)
                    has_found = True

    def _rendering_of(self, lazy: Place) -> Callable[[], Child]:
        return lambda: self._renderer.render_uncached(lazy.id, lazy.element, self._lookup(lazy.scope))  # type: ignore[arg-type]

    def _collect_from(self, lazy: Place | None, render: Callable[[], Child]) -> list[Place] | None:
        """Collect the schemas of a scope; None if it cannot be rendered, which the real rendering will report."""
        try:
            top = compile_scope(render(), lazy)
        except (WorkflowError, InvalidOutput):
            return None
        places = list(top.walk())
        self._schemas.update({place.id: place.node.schema for place in places if place.node is not None})
        return places

    def render(self) -> None:
        """Render the workflow function: for the first time, or because something that a scope has read has changed.

        The plan is replaced by a new one; the flow then walks it by the run's state.

        Raises:
            WorkflowError: the function raised, or its tree is not valid.
        """
        self._is_due = True  # until it is done: an output that is not in memory interrupts it
        for scope in list(self._renderer.readers.dirty):
            self._renderer.forget(scope)
        place = self._rendered_root()
        if self._read_before_known(place):
            place = self._rendered_root()
        self._is_due = False
        tree = tree_of(place, self.plan)
        # Only the outputs: reading other states must not make a new frame of the same tree.
        tree |= _reads_facts(ScopeReads(outputs=self._renderer.readers.reads_of(ROOT_SCOPE).outputs))
        self._mount(place)
        self._commit_frame({ROOT_SCOPE: tree, **dict.fromkeys(self._dropped_scopes(place))})

    def _rendered_root(self) -> Place:
        child = self._renderer.root(self._lookup(ROOT))
        place = compile_scope(child, None)
        if has_dependencies(place):
            check_no_cycle(place)
            place = compile_scope(child, None)
        self._plan = Plan(place)
        return place

    def _read_before_known(self, root: Place) -> bool:
        """Whether the rendering has read something by a name that only its own tree tells: in a group, or a group's."""
        reads = self._renderer.readers.reads_of(ROOT_SCOPE)
        named = [place for place in root.walk() if place.has_own_id] if reads.all else []
        if reads.all.isdisjoint(place.id for place in named if place.node is None) and reads.strangers.isdisjoint(
            place.own_id for place in named if place.own_id != place.id
        ):
            return False
        self._renderer.forget(ROOT_SCOPE)
        return True

    def check_named(self, node_id: str | None, what: str) -> None:
        """Refuse the id of an element that the tree lacks and can never have; `what` names it in the error.

        Raises:
            WorkflowError: there is no such element, and nothing is rendered later or again.
        """
        if node_id is None or node_id in self.plan.places or self._renderer.readers.reads_of(ROOT_SCOPE).all:
            return
        if not any(place.kind.is_rendered_late for place in self.plan.places.values()):
            raise WorkflowError(
                f"The {what} is to be the output of {node_id!r}, which is not in the tree.",
                remedy="Correct the id, or put that element into the tree.",
            )

    def expand(self, lazy: Place) -> None:
        """Render a lazy subtree that the flow has reached.

        Raises:
            OutputNotReady: it reads an output that does not exist (yet).
            WorkflowError: the function raised, or its tree is not valid.
        """
        child = self._renderer.lazy(lazy.id, lazy.element, self._lookup(lazy.scope))  # type: ignore[arg-type]
        inner = compile_scope(child, lazy)
        self.plan.fill(lazy, inner)
        tree = tree_of(inner, self.plan) | _reads_facts(self._renderer.readers.reads_of(lazy.id))
        self._mount(inner)
        self._commit_frame({lazy.id: tree})

    def choose(self, branch: Place, value: bool) -> list[Place]:  # noqa: FBT001 - the branch's answer
        """Reach the chosen child of a branch; return the places of the other one."""
        dropped = self.plan.choose(branch, value)
        for side in branch.children:
            if not side.is_dropped:
                self._mount(side)
        return dropped

    def evaluate(self, condition: Condition, place: Place, what: str) -> Evaluated[bool]:
        """Evaluate a condition that stands at a place; `what` names it in errors.

        Raises:
            OutputNotReady: it reads an output that does not exist (yet).
            WorkflowError: it raised.
        """
        return self._renderer.evaluate(condition, self._lookup(place.scope), what)

    def call(self, function: Callable[[Context[Any]], object], place: Place, what: str) -> Evaluated[object]:
        """Call an author's function of the context that stands at a place; `what` names it in errors.

        Raises:
            OutputNotReady: it reads an output that does not exist (yet).
            WorkflowError: it raised.
        """
        return self._renderer.call(function, self._lookup(place.scope), what)

    def unmounted(self) -> set[NodeKey]:
        """Return the nodes that have not ended and are no longer in the tree."""
        return {
            node.key
            for node in self._journal.state.nodes.values()
            if not node.state.is_final and not self._is_mounted(node)
        }

    def _is_mounted(self, node: NodeRecord) -> bool:
        place = self.plan.places.get(node.node_id)
        return place is not None and place.key == node.key and place.node is not None and not place.is_dropped

    def _dropped_scopes(self, root: Place) -> list[str]:
        """Return the scopes of lazy subtrees that are not in the new tree, and forget them."""
        kept = tuple(place.id for place in root.walk() if place.kind.is_rendered_late)
        under = tuple(f"{scope}." for scope in kept)
        scopes = [s for s in self._frames.scopes() if s != ROOT_SCOPE and s not in kept and not s.startswith(under)]
        for scope in scopes:
            self._renderer.forget(scope)
        return scopes

    def _lookup(self, scope: Scope) -> Lookup:
        return lambda reference: self._found(reference, scope)

    def _found(self, reference: Reference, scope: Scope) -> Found:
        """What a reference means in a scope: by the tree, else by what the run has done before it was rendered anew."""
        schema = None if isinstance(reference, str) else reference.output_schema
        place = None if self._plan is None else self._plan.find_anywhere(reference, scope)
        if place is not None:
            source = place.output_source
            if source.node is None:
                return Found(source.id, None, None)
            return Found(source.id, source.key, schema if schema and source is place else source.node.schema)
        name = reference_id(reference)
        assert name is not None, f"{reference!r} has no id"
        latest = self._journal.state.latest_keys
        known = next((one for one in scope.names(name) if one in latest), None)
        if known is None:
            return Found(name, None, schema, is_stranger=not isinstance(reference, str))
        return Found(known, latest[known], schema or self._schemas.get(known))

    def _mount(self, top: Place) -> None:
        for place in self._mounted_places(top):
            if place.has_own_id:
                self._check_kind(place)
            if place.node is not None:
                self._schemas[place.id] = place.node.schema
                self._mount_node(place, place.node)

    def _check_kind(self, place: Place) -> None:
        """Check that an element is of the kind that its id already had in this run, if it began or was decided."""
        state = self._journal.state
        node = state.nodes.get(place.key)
        if not place.kind.is_decided_once and place.key in state.branches:
            known = "a branch that is decided"
        elif node is not None and node.kind != place.kind.name and node.has_begun:
            known = f"{kind_named(node.kind).with_article} ({node.state})"
        else:
            return
        raise WorkflowError(
            f"The id {place.id!r} belongs to {known} in this run, but to {place.kind.with_article} in the workflow.",
            remedy=f"Give the {place.kind.name} another id.",
        )

    def _mounted_places(self, top: Place) -> Iterator[Place]:
        """Yield the places that are part of the run: those inside an undecided branch are not."""
        stack = [top]
        while stack:
            place = stack.pop()
            yield place
            stack.extend(reversed(place.kind.mounted_children(place, self._journal.state)))

    def _mount_node(self, place: Place, node: Node[Any]) -> None:
        known = self._journal.state.nodes.get(place.key)
        if known is not None and known.state is NodeState.CANCELLED:
            self._journal.step.notes.append(f"node {place.id!r} was dropped earlier and stays cancelled")
        if known is not None and (known.kind == node.kind or known.state.is_final):
            return
        self._journal.emit(events.NodePending(*place.key, node.kind, node.label))

    def _commit_frame(self, scopes: dict[str, Tree | None]) -> None:
        changed = self._frames.changed(scopes)
        if changed:
            frame_no = self._journal.state.frame_no + 1
            self._journal.emit(events.FrameCommitted(frame_no, self._frames.hash))
            self._journal.step.frames.append(FrameChange(frame_no, self._frames.hash, changed, self._journal.now_ms))


def _reads_facts(reads: ScopeReads) -> Tree:
    """Return what a scope's function has read, as facts in the tree of its top element."""
    facts = {"readsOutputs": sorted(reads.outputs), "readsStates": sorted(reads.states)}
    return {name: node_ids for name, node_ids in facts.items() if node_ids}

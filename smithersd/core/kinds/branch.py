"""The kind of `Branch`: one of two children, chosen once."""

from collections.abc import Iterator

from smithersd.core.kinds.container_kind import ContainerKind
from smithersd.core.kinds.kind import FlowActions
from smithersd.core.log import events
from smithersd.core.log.fold import RunState
from smithersd.core.tree.places import Place, Progress
from smithersd.elements import Branch, Child
from smithersd.elements.element import Reference


class BranchKind(ContainerKind[Branch]):
    """A choice between two children; it is recorded as an event, and never made again."""

    name = Branch.kind
    is_decided_once = True
    child_names = ("then", "otherwise")

    def children(self, element: Branch) -> tuple[Child, ...]:
        """Return `then` and, if there is one, `otherwise`."""
        return (element.then,) if element.otherwise is None else (element.then, element.otherwise)

    def references(self, element: Branch) -> Iterator[Reference]:
        """Return what its condition is, or is made of."""
        return element.references()

    def enter(self, place: Place, flow: FlowActions) -> None:
        """Choose a child, unless that was done before, and reach it."""
        if place.key not in flow.state.branches:
            branch = place.element
            assert isinstance(branch, Branch)
            evaluated = flow.evaluate(branch.when, place, self.reader_name(place))
            reads = tuple(sorted(evaluated.reads.all)) or None
            flow.emit(events.BranchDecided(*place.key, evaluated.value, reads))
        flow.choose(place, flow.state.branches[place.key].value)

    def output_child(self, place: Place) -> Place | None:
        """Return the child that was chosen."""
        return next(
            (side for side in place.children if side.progress is not Progress.AHEAD and not side.is_dropped), None
        )

    def mounted_children(self, place: Place, state: RunState) -> list[Place]:
        """Return the child that was chosen; before that, nothing."""
        decided = state.branches.get(place.key)
        return [] if decided is None else place.children[0 if decided.value else 1 :][:1]

"""The plan: which places the flow has reached, and which become due when one ends.

Work is done per completion: ending a place touches its parent and those that depend on it, nothing else. So a static
plan of N nodes costs O(N) in all. The plan has positions and dependencies; the flow has states, outputs and events.
"""

from collections import deque
from collections.abc import Iterator
from typing import TypeVar, assert_never

from smithersd.core.kinds.kind import ChildOrder
from smithersd.core.kinds.registry import kind_of
from smithersd.core.tree.places import Place, Progress
from smithersd.core.tree.scope import Scope
from smithersd.elements.element import Reference, reference_id
from smithersd.errors import UnknownDependency, WorkflowError
from smithersd.limits import NODES_MAX

_STUCK_SHOWN_MAX = 5

K = TypeVar("K")


class Plan:
    """All places of all scopes rendered so far, and how far the flow has come with each."""

    def __init__(self, root: Place) -> None:
        self.root = root
        self.places: dict[str, Place] = {}
        self._by_element: dict[int, list[Place]] = {}
        self._by_own_id: dict[str, list[Place]] = {}
        self._dependents: dict[str, list[Place]] = {}
        self._due: deque[Place] = deque()
        self._postponed: set[str] = set()
        self._mount(root)
        self.reach(root)

    @property
    def is_ended(self) -> bool:
        """Whether the whole tree has ended."""
        return self.root.progress is Progress.ENDED

    def next_due(self) -> Place | None:
        """Remove and return the next due place: a node, branch or lazy subtree whose dependencies have ended."""
        while self._due:
            place = self._due.popleft()
            if place.progress is Progress.REACHED:
                return place
        return None

    def requeue(self, place: Place) -> None:
        """Make a place due again."""
        self._due.append(place)

    def return_next(self, place: Place) -> None:
        """Return a place that was taken and not entered, so that it is the next one again."""
        self._due.appendleft(place)

    def postpone(self, place: Place) -> bool:
        """Make a place due again after all places that are due now, if that can help; return whether it can.

        It can if one of these was not itself postponed since the last place ended or was rendered.
        """
        self._postponed.add(place.id)
        can_help = any(other.id not in self._postponed for other in self._due)
        if can_help:
            self._due.append(place)
        return can_help

    def fill(self, lazy: Place, inner: Place) -> None:
        """Put a rendered subtree into its lazy place and let the flow reach it.

        Raises:
            UnknownDependency: a dependency is not in the tree (yet); nothing was changed.
            WorkflowError: an id is used twice.
        """
        self._mount(inner)
        self._postponed.clear()
        lazy.children = [inner]
        lazy.open = 1
        self.reach(inner)

    def choose(self, branch: Place, value: bool) -> list[Place]:  # noqa: FBT001 - the branch's answer
        """Reach the chosen child of a branch; return the places of the other one, which are dropped."""
        sides = branch.children
        chosen = 0 if value else 1
        dropped = [place for index, side in enumerate(sides) if index != chosen for place in side.walk()]
        for place in dropped:
            place.is_dropped = True
            place.progress = Progress.ENDED
        for place in dropped:
            self._release_dependents(place)
        if chosen < len(sides):
            branch.open = 1
            self.reach(sides[chosen])
        else:
            self.end(branch)
        return dropped

    def reach(self, place: Place) -> None:
        """Mark a place as reached, with those that are reached with it."""
        for ended in self._reached_empty(place):
            self.end(ended)

    def end(self, place: Place) -> None:
        """Mark a place as ended, with the containers that end with it; the places that waited for them become due."""
        self._postponed.clear()
        ended = deque([place])
        while ended:
            place = ended.popleft()
            if place.progress is Progress.ENDED:
                continue
            place.progress = Progress.ENDED
            self._release_dependents(place)
            if place.parent is not None:
                ended.extend(self._child_ended(place.parent, place))

    def _child_ended(self, parent: Place, child: Place) -> Iterator[Place]:
        parent.open -= 1
        following = child.order[-1] + 1
        if parent.kind.order is ChildOrder.IN_TURN and following < len(parent.children):
            yield from self._reached_empty(parent.children[following])
        elif parent.open == 0:
            yield parent

    def _reached_empty(self, place: Place) -> Iterator[Place]:
        """Reach a place and those that are reached with it; yield the empty containers, which end at once."""
        stack = [place]
        while stack:
            place = stack.pop()
            if place.progress is not Progress.AHEAD:
                continue
            place.progress = Progress.REACHED
            match place.kind.order:
                case ChildOrder.BY_CHOICE:
                    if place.missing == 0:
                        self._due.append(place)
                case _ if not place.children:
                    yield place
                case ChildOrder.IN_TURN:
                    stack.append(place.children[0])
                case ChildOrder.TOGETHER:
                    stack.extend(reversed(place.children))
                case _:
                    assert_never(place.kind.order)

    def _release_dependents(self, place: Place) -> None:
        for dependent in self._dependents.pop(place.id, ()):
            dependent.missing -= 1
            if dependent.missing == 0 and dependent.progress is Progress.REACHED:
                self._due.append(dependent)

    def _mount(self, top: Place) -> None:
        places = list(top.walk())
        for place in places:
            self._register(place)
        try:
            for place in places:
                place.after = self._targets(place)
        except UnknownDependency:
            for place in places:
                self._unregister(place)
            raise
        for place in places:
            self._depend(place)

    def _register(self, place: Place) -> None:
        if place.id in self.places:
            raise WorkflowError(
                f"Two elements have the id {place.id!r}: {self.places[place.id].kind.name} and {place.kind.name}.",
                remedy="Give each its own id; in a loop over items, put the item into it.",
            )
        if len(self.places) >= NODES_MAX:
            raise WorkflowError(f"The tree has more than {NODES_MAX} elements.", remedy="Do more work in each task.")
        self.places[place.id] = place
        self._by_element.setdefault(id(place.element), []).append(place)
        if place.own_id != place.id:
            self._by_own_id.setdefault(place.own_id, []).append(place)

    def _unregister(self, place: Place) -> None:
        del self.places[place.id]
        _remove(self._by_element, id(place.element), place)
        if place.own_id != place.id:
            _remove(self._by_own_id, place.own_id, place)

    def _depend(self, place: Place) -> None:
        for target in place.after:
            if target.progress is not Progress.ENDED:
                place.missing += 1
                self._dependents.setdefault(target.id, []).append(place)

    def find(self, reference: Reference, scope: Scope) -> Place | None:
        """Return the place that a reference means in a scope; None if it is not in the tree.

        It is that very element, or the nearest of its id: an element may stand in several groups.
        """
        same = [] if isinstance(reference, str) else self._by_element.get(id(reference), [])
        name = reference_id(reference)
        if len(same) == 1 or name is None:
            return same[0] if same else None
        return next((self.places[one] for one in scope.names(name) if one in self.places), None)

    def find_anywhere(self, reference: Reference, scope: Scope) -> Place | None:
        """Return the place that a reference means; an element may be of a new rendering, and stand in an inner scope.

        Raises:
            WorkflowError: several inner scopes have an element of its id.
        """
        found = self.find(reference, scope)
        name = reference_id(reference)
        if found is not None or isinstance(reference, str) or name is None:
            return found
        inner = self._by_own_id.get(name, [])
        if len(inner) > 1:
            ids = ", ".join(repr(place.id) for place in inner[:_STUCK_SHOWN_MAX])
            raise WorkflowError(f"{reference!r} may be one of {ids}.", remedy="Name the one that is meant by its id.")
        return inner[0] if inner else None

    def _targets(self, place: Place) -> tuple[Place, ...]:
        """Return the places that must have ended before one is due: nodes and containers."""
        references = place.kind.references(place.element)
        return tuple({target.id: target for target in (self._target(place, one) for one in references)}.values())

    def _target(self, place: Place, reference: Reference) -> Place:
        target = self.find(reference, place.scope)
        if target is None:
            raise _unknown(place, reference)
        if not isinstance(reference, str) and target.kind is not kind_of(reference):
            what = target.kind.with_article
            raise WorkflowError(f"{place.element!r} depends on {reference!r}, but {target.id!r} is {what} in the tree.")
        return target


def _remove(places: dict[K, list[Place]], key: K, place: Place) -> None:
    places[key].remove(place)
    if not places[key]:
        del places[key]


def _unknown(place: Place, reference: Reference) -> UnknownDependency:
    return UnknownDependency(
        f"{place.kind.name} {place.id!r} depends on {reference!r}, which is not in the tree.",
        remedy="Put that element into the tree too, or correct the id. "
        "A node that a lazy subtree will return can be read with ctx.output in another lazy subtree.",
    )


def check_no_cycle(root: Place) -> None:
    """Check that the dependencies of a freshly compiled tree have no cycle.

    It walks the tree as if every node ended at once; a place that is never reached waits for itself. That changes the
    places: compile the tree again for the plan.

    Raises:
        WorkflowError: there is a cycle; the message names the nodes in it or behind it.
    """
    plan = Plan(root)
    while (place := plan.next_due()) is not None:
        if not place.children:
            plan.end(place)
        for child in place.children:  # of a branch, both may be chosen
            plan.reach(child)
    stuck = [
        place.id for place in plan.places.values() if place.node is not None and place.progress is not Progress.ENDED
    ]
    if stuck:
        shown = ", ".join(map(repr, stuck[:_STUCK_SHOWN_MAX])) + (" ..." if len(stuck) > _STUCK_SHOWN_MAX else "")
        raise WorkflowError(
            f"These nodes wait for one another and can never start: {shown}.",
            remedy="A node in a sequence comes after all nodes before it: let none of those depend on it.",
        )


def has_dependencies(root: Place) -> bool:
    """Return whether anything in a scope has dependencies."""
    return any(next(iter(place.kind.references(place.element)), None) is not None for place in root.walk())

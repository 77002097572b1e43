"""The kind of `Parallel`: its children run at the same time."""

from smithersd.core.kinds.container_kind import ContainerKind
from smithersd.core.kinds.kind import ChildOrder
from smithersd.core.tree.facts import Tree
from smithersd.elements import Child, Parallel


class ParallelKind(ContainerKind[Parallel]):
    """Children that run at the same time, with a limit of its own for the attempts inside."""

    name = Parallel.kind
    order = ChildOrder.TOGETHER

    def facts(self, element: Parallel) -> Tree:
        """Return its label and its max_concurrency, if it has them."""
        facts = super().facts(element)
        if element.max_concurrency is not None:
            facts["maxConcurrency"] = element.max_concurrency
        return facts

    def children(self, element: Parallel) -> tuple[Child, ...]:
        """Return its children, in the author's order."""
        return element.children

    def concurrency_limit(self, element: Parallel) -> int | None:
        """Return its max_concurrency."""
        return element.max_concurrency

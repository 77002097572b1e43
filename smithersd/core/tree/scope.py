"""Scope: where the ids of elements are told apart, and looked up."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from smithersd.core.log.records import FIRST_ITERATION, NodeKey

SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the tree in which an id means one element.

    `prefix` stands before the ids of what is inside, `iteration` is that of its nodes, `outer` the scope around it.
    """

    prefix: str = ""
    iteration: int = FIRST_ITERATION
    outer: "Scope | None" = None

    def key(self, element_id: str) -> NodeKey:
        """Return the key of what has an id in this scope."""
        return self.prefix + element_id, self.iteration

    def inside(self, name: str) -> Self:
        """Return the scope of what stands in a group of this name."""
        return type(self)(f"{self.prefix}{name}{SEPARATOR}", self.iteration, self)

    def names(self, element_id: str) -> Iterator[str]:
        """Yield what an id may mean here: the nearest of that name before those farther out."""
        scope: Scope | None = self
        while scope is not None:
            if scope.outer is None or scope.outer.prefix != scope.prefix:
                yield scope.prefix + element_id
            scope = scope.outer


ROOT = Scope()
"""The scope of the workflow function."""

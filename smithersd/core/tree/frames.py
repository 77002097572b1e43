"""A run's frames: what each rendering changed, and the whole tree that follows from the changes.

A tree is made of *scopes*: the workflow's own rendering (scope id "") and one for each lazy subtree that was reached
(its place, "@0.2"). A frame stores only the scopes that it changed, so a frame costs what changed, not the whole
plan. Tree JSON: `{"kind", "id", "label"?, "children"?: [...], ...}`; a lazy subtree is
`{"kind": "lazy", "id": "@0.2", "children": [tree] or []}`.
"""

import hashlib
from collections.abc import Mapping

import pydantic_core

from smithersd.core.kinds.registry import kind_named
from smithersd.core.tree.facts import Tree, is_container

ROOT_SCOPE = ""
_HASH_SPACE = 1 << 256


class FrameTree:
    """The trees of all scopes as of one frame, and the hash of the whole tree.

    The hash is the sum of the scopes' SHA-256 digests, so that a change of one scope costs that scope only.
    """

    def __init__(self) -> None:
        self._scopes: dict[str, Tree] = {}
        self._digests: dict[str, int] = {}
        self._sum = 0

    @property
    def hash(self) -> str:
        """The hash of the whole tree, as 64 hexadecimal digits."""
        return f"{self._sum:064x}"

    def changed(self, scopes: Mapping[str, Tree | None]) -> dict[str, Tree | None]:
        """Replace the trees of scopes (None removes a scope) and return those that differ from before."""
        return {scope: tree for scope, tree in scopes.items() if self._replace(scope, tree)}

    def apply(self, scopes: str) -> None:
        """Apply the changes of a frame, as JSON text (`FrameRow.scopes`)."""
        self.changed(pydantic_core.from_json(scopes))

    def scopes(self) -> list[str]:
        """Return the ids of all scopes."""
        return list(self._scopes)

    def tree(self) -> Tree:
        """Return the whole tree, with those lazy subtrees filled in that were rendered."""
        return self._filled(self._scopes[ROOT_SCOPE])

    def node_ids(self) -> list[str]:
        """Return the ids of all nodes in the tree, in tree order; of a branch both children."""
        return node_ids(self.tree()) if ROOT_SCOPE in self._scopes else []

    def _replace(self, scope: str, tree: Tree | None) -> bool:
        digest = 0 if tree is None else _digest(scope, tree)
        before = self._digests.get(scope, 0)
        if digest == before:
            return False
        self._sum = (self._sum + digest - before) % _HASH_SPACE
        if tree is None:
            del self._scopes[scope], self._digests[scope]
        else:
            self._scopes[scope], self._digests[scope] = tree, digest
        return True

    def _filled(self, tree: Tree) -> Tree:
        if kind_named(tree["kind"]).is_rendered_late:
            inner = self._scopes.get(tree["id"])
            return {**tree, "children": [] if inner is None else [self._filled(inner)]}
        if is_container(tree):
            return {**tree, "children": [self._filled(child) for child in tree["children"]]}
        return tree


def node_ids(tree: Tree) -> list[str]:
    """Return the ids of the nodes in a whole tree, in tree order."""
    if not is_container(tree):
        return [tree["id"]]
    return [node_id for child in tree["children"] for node_id in node_ids(child)]


def _digest(scope: str, tree: Tree) -> int:
    text = pydantic_core.to_json([scope, tree])
    return int.from_bytes(hashlib.sha256(text).digest(), "big")

"""The scopes of a run's tree as of some frame, carried forward row by row."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pydantic_core

from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import FrameTree
from smithersd.store import Store
from smithersd.store.records import FrameRow

_ROWS_AT_ONCE = 50


class Scopes:
    """The latest tree of each scope as of a frame. Carrying it forward is cheap, since nothing is hashed."""

    def __init__(self, frame_no: int = 0, trees: dict[str, Tree] | None = None) -> None:
        self.frame_no = frame_no
        self._trees = {} if trees is None else trees

    def copy(self) -> "Scopes":
        """Return an independent copy; the trees themselves are shared, since they never change."""
        return Scopes(self.frame_no, dict(self._trees))

    def apply(self, rows: Sequence[FrameRow]) -> None:
        """Apply the changes of the frames that follow."""
        for row in rows:
            changed: dict[str, Any] = pydantic_core.from_json(row.scopes)
            for scope, tree in changed.items():
                if tree is None:
                    self._trees.pop(scope, None)
                else:
                    self._trees[scope] = tree
            self.frame_no = row.frame_no

    def tree(self) -> FrameTree:
        """Return a tree of all scopes, to which further frames can be applied."""
        whole = FrameTree()
        whole.changed(self._trees)
        return whole


async def carried_forward(scopes: Scopes, store: Store, run_id: str, frame_no: int) -> Scopes:
    """Return the scopes as of a later frame, which must exist; the given ones are not changed."""
    later = scopes.copy()
    while later.frame_no < frame_no:
        upto = min(later.frame_no + _ROWS_AT_ONCE, frame_no)
        rows = await store.frames(run_id, after_frame_no=later.frame_no, up_to_frame_no=upto)
        # In a thread: large trees take long to parse.
        await asyncio.to_thread(later.apply, rows)
    return later

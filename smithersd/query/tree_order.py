"""The order of a run's nodes in its tree."""

import asyncio
from dataclasses import dataclass

from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.query.scopes import Scopes, carried_forward
from smithersd.store import Store


@dataclass(frozen=True, slots=True)
class Ordered:
    """Node keys in order, and the position of each."""

    keys: list[NodeKey]
    places: dict[NodeKey, int]


class TreeOrder:
    """Nodes in tree order, iterations ascending; those that are no longer in the tree come last."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._scopes = Scopes()
        self._node_ids: list[str] = []
        self._ordered = Ordered([], {})
        self._lock = asyncio.Lock()

    async def of(self, run: RunState) -> Ordered:
        """Return all nodes of a state in order; the state must not change meanwhile."""
        async with self._lock:
            is_new_tree = self._scopes.frame_no < run.frame_no
            if is_new_tree:
                await self._carry_forward(run.frame_no)
            if is_new_tree or len(self._ordered.keys) != len(run.nodes):
                self._ordered = self._sorted(run)
            return self._ordered

    async def _carry_forward(self, frame_no: int) -> None:
        scopes = await carried_forward(self._scopes, self._store, self._run_id, frame_no)
        self._node_ids = await asyncio.to_thread(lambda: scopes.tree().node_ids())
        self._scopes = scopes

    def _sorted(self, run: RunState) -> Ordered:
        keys = run.in_tree_order(self._node_ids)
        return Ordered(keys, {key: place for place, key in enumerate(keys)})

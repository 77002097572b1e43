"""The runs of a store: which there are, and which one somebody means."""

from smithersd.client.stored_run import StoredRun
from smithersd.engine import run_info
from smithersd.query.run_info import RunInfo
from smithersd.query.select import select_run
from smithersd.store import Store


class StoredRuns:
    """The runs of a store that this process has open."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, run_id: str) -> StoredRun:
        """Return the run of an id, which need not be there."""
        return StoredRun(self._store, run_id)

    async def select(self, said: str | None, *, or_newest: bool = False) -> StoredRun:
        """Return the run of this id, else the only one whose id begins so; with nothing said the only live one.

        `or_newest` is for whoever only looks: where no run is live, the newest is meant.

        Raises:
            RunNotFound: there is none.
            InvalidRequest: there are several.
        """
        return self.run((await select_run(self._store, said, or_newest=or_newest)).run_id)

    async def list(self, *, limit: int, is_live: bool | None = None) -> list[RunInfo]:
        """Return how runs stand, the newest first: all, those that have not ended, or those that have."""
        return [run_info(row) for row in await self._store.runs(limit=limit, is_live=is_live)]

    async def find(self, run_id: str) -> RunInfo | None:
        """Return how a run stands, None where there is no such run."""
        row = await self._store.find_run(run_id)
        return None if row is None else run_info(row)

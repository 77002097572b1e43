"""The runs of a store: list them, and find the one that a person names."""

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
        """Return the run with this id, which need not exist."""
        return StoredRun(self._store, run_id)

    async def select(self, prefix: str | None, *, or_newest: bool = False) -> StoredRun:
        """Return the run with this id, or the only one whose id begins with it; with None the only live run.

        With `or_newest` None means the newest run if no run is live.

        Raises:
            RunNotFound: there is none.
            InvalidRequest: there are several.
        """
        return self.run((await select_run(self._store, prefix, or_newest=or_newest)).run_id)

    async def list(self, *, limit: int, is_live: bool | None = None) -> list[RunInfo]:
        """Return runs, the newest first: all, with `is_live` True those that have not ended, with False the others."""
        return [run_info(row) for row in await self._store.runs(limit=limit, is_live=is_live)]

    async def find(self, run_id: str) -> RunInfo | None:
        """Return a run's status and driver; None if there is no such run."""
        row = await self._store.find_run(run_id)
        return None if row is None else run_info(row)

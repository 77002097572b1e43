"""Tells a report of the approvals that wait for a person, with what they show, which is read from the store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from smithersd.core.log.events import Recorded
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.daemon.notify.waiting import has_question, read_waiting
from smithersd.daemon.report import Report, StartedRun
from smithersd.loggers import logger
from smithersd.store import Store

_log = logger(__name__)


@asynccontextmanager
async def asking(started_run: StartedRun, report: Report, *, store: Store) -> AsyncIterator[None]:
    """Tell the report of each approval that waits, once, while the `with` lasts; at its end all has been told."""
    work = _Work(started_run, report, store)
    started_run.engine.observe(work.follow)
    working = asyncio.create_task(work.run(), name="asking")
    try:
        yield
        work.end()
        await working
    finally:
        working.cancel()
        await asyncio.wait([working])


class _Work:
    def __init__(self, started_run: StartedRun, report: Report, store: Store) -> None:
        self._run = started_run.engine.state
        self._report = report
        self._store = store
        self._sent: set[NodeKey] = set()
        self._is_ending = False
        self._wake = asyncio.Event()
        self._wake.set()

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Take in the events of a step."""
        if has_question(recorded):
            self._wake.set()

    def end(self) -> None:
        """Tell what is left to be told, and no more."""
        self._is_ending = True
        self._wake.set()

    async def run(self) -> None:
        """Tell of approvals as they begin to wait."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while new := [node for node in self._run.awaiting_approval if node.key not in self._sent]:
                self._sent.add(new[0].key)
                await self._tell(new[0])
            if self._is_ending:
                return

    async def _tell(self, node: NodeRecord) -> None:
        """Whatever keeps an approval from being told matters less than the run."""
        try:
            approval = await read_waiting(self._run, node, self._store)
            if node in self._run.awaiting_approval:
                self._report.ask(approval)
        except Exception:  # noqa: BLE001 - as said above
            _log.exception("What %s asks could not be shown.", node.node_id)

"""Tells a report of the approvals that wait for a person, with what they show, which is read from the store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from smithersd.core.log.events import Recorded
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.daemon.notify.waiting import has_question, read_waiting
from smithersd.daemon.notify.wakeups import Wakeups
from smithersd.daemon.report import Report, StartedRun
from smithersd.loggers import logger
from smithersd.store import Store

_log = logger(__name__)


@asynccontextmanager
async def asking(started_run: StartedRun, report: Report, *, store: Store) -> AsyncIterator[None]:
    """Tell the report of each approval that waits, once, while the `with` lasts; at its end all has been told."""
    work = _Work(started_run, report, store)
    started_run.engine.observe(work.follow)
    async with work.wakeups.running("asking") as task:
        yield
        work.wakeups.end()
        await task


class _Work:
    def __init__(self, started_run: StartedRun, report: Report, store: Store) -> None:
        self._run = started_run.engine.state
        self._report = report
        self._store = store
        self._sent: set[NodeKey] = set()
        self.wakeups = Wakeups(self._look)

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Take in the events of a step."""
        if has_question(recorded):
            self.wakeups.wake()

    async def _look(self) -> None:
        while new := [node for node in self._run.awaiting_approval if node.key not in self._sent]:
            self._sent.add(new[0].key)
            await self._tell(new[0])

    async def _tell(self, node: NodeRecord) -> None:
        """Whatever keeps an approval from being told matters less than the run."""
        try:
            approval = await read_waiting(self._run, node, self._store)
            if node in self._run.awaiting_approval:
                self._report.ask(approval)
        except Exception:  # noqa: BLE001 - as said above
            _log.exception("What %s asks could not be shown.", node.node_id)

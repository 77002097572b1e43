"""Report the pending approvals, with the outputs that they show, which are read from the store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from smithersd.core.log.events import Recorded
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.daemon.notify.waiting import has_approval_request, read_waiting
from smithersd.daemon.notify.wakeups import Wakeups
from smithersd.daemon.report import Report, StartedRun
from smithersd.loggers import logger
from smithersd.store import Store

_log = logger(__name__)


@asynccontextmanager
async def reporting_approvals(started_run: StartedRun, report: Report, *, store: Store) -> AsyncIterator[None]:
    """Report each pending approval once while the `with` lasts; at its end all have been reported."""
    reporter = _ApprovalReporter(started_run, report, store)
    started_run.engine.observe(reporter.follow)
    async with reporter.wakeups.running("approval-reports") as task:
        yield
        reporter.wakeups.end()
        await task


class _ApprovalReporter:
    def __init__(self, started_run: StartedRun, report: Report, store: Store) -> None:
        self._run = started_run.engine.state
        self._report = report
        self._store = store
        self._sent: set[NodeKey] = set()
        self.wakeups = Wakeups(self._report_new)

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Wake the reporter if these events request an approval."""
        if has_approval_request(recorded):
            self.wakeups.wake()

    async def _report_new(self) -> None:
        while new := [node for node in self._run.awaiting_approval if node.key not in self._sent]:
            self._sent.add(new[0].key)
            await self._report_approval(new[0])

    async def _report_approval(self, node: NodeRecord) -> None:
        """Report one approval; an error is logged, because the run matters more."""
        try:
            approval = await read_waiting(self._run, node, self._store)
            if node in self._run.awaiting_approval:
                self._report.ask(approval)
        except Exception:  # noqa: BLE001 - see the docstring
            _log.exception("The approval %r could not be reported.", node.node_id)

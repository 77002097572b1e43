"""The store of runs: one class for all backends, each of which is a `Database`."""

from collections.abc import Callable
from pathlib import Path

from smithersd.core.log.events import SignalReceived
from smithersd.core.log.records import WaitRecord
from smithersd.core.log.states import WaitKind
from smithersd.elements import Decision
from smithersd.limits import EVENTS_PER_PAGE_MAX, LEASE_S
from smithersd.store import lease, prune, reading, requests, waits
from smithersd.store.commit import commit_step
from smithersd.store.database import Database
from smithersd.store.records import (
    Commit,
    Committed,
    EndedRun,
    EventRow,
    FrameRow,
    Lease,
    OutputRow,
    RequestRow,
    RunRow,
    Submitted,
    Topic,
)
from smithersd.store.statements import Transaction
from smithersd.store.subscriptions import Subscriptions


class Store:
    """Runs, their events, outputs, frames and waits, and the requests to them.

    Every method may raise StoreUnavailable: the database refused for a reason that may be temporary. Then nothing was
    written, or the database's reply was lost; in either case the call can be repeated, and nothing is written twice.
    """

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        """Wrap a database; `lease_s` is how long a lease lasts that is taken or renewed through this store."""
        self.lease_s = lease_s
        self._lease_ms = round(lease_s * 1000)
        self._database = database
        self._subscriptions = Subscriptions(database.watch)

    @property
    def database(self) -> Database:
        """The database of the store; another store with another `lease_s` can share it."""
        return self._database

    @property
    def url(self) -> str:
        """The URL of the store, without a password."""
        return self._database.url

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    async def back_up(self, target: Path) -> None:
        """Write a copy of the store as it is now to a file that must not exist, without stopping writers.

        Raises:
            UserError: the file exists or cannot be written, or the database is backed up with its own tools.
        """
        await self._database.back_up(target)

    # For the driver of a run

    async def commit(self, commit: Commit) -> Committed:
        """Commit a step, and notify the subscribers of the run's events.

        Raises:
            LeaseLost: the fence was raised; nothing was written.
            RunExists: there is a run with the id of the new one; nothing was written.
        """
        committed = await self._database.write(commit_step(commit, self._lease_ms))
        self._subscriptions.wake(commit.run_id, Topic.EVENTS)
        return committed

    async def take_lease(
        self, run_id: str, owner: str, *, is_dead: Callable[[str], bool], force: bool = False
    ) -> Lease:
        """Take the lease of a run, whose fence is raised by one.

        `is_dead` is called within the transaction, and returns whether the present owner is known to be dead.

        Raises:
            RunNotFound: there is no such run.
            RunIsDriven: the lease of a live owner has time left, and `force` is off.
        """
        taking = lease.take_lease(run_id, owner, is_dead, force=force, lease_ms=self._lease_ms)
        return await self._database.write(taking)

    async def renew_lease(self, run_id: str, fence: int) -> None:
        """Renew the lease for its full duration, as every commit does too.

        This also checks that the store is still at its address, which would take too long in a commit.

        Raises:
            LeaseLost: the fence was raised, or the lease was given back.
        """
        await self._database.check_place()
        await self._database.write(lease.renew_lease(run_id, fence, self._lease_ms))

    def renew_lease_from_thread(self, run_id: str, fence: int) -> None:
        """Renew the lease for its full duration while the event loop is blocked; block the calling thread meanwhile.

        Raises:
            LeaseLost: the fence was raised, or the lease was given back.
        """
        self._database.write_from_thread(lease.renew_lease(run_id, fence, self._lease_ms))

    async def holds_lease(self, run_id: str, fence: int) -> bool:
        """Return whether the lease of this fence has time left, or the run has ended and needs none."""
        return await self._database.read(lease.holds_lease(run_id, fence))

    async def mark_crashed(self, run_id: str, fence: int, owner: str) -> None:
        """End the lease of a driver that has crashed; do nothing if the lease was lost.

        `owner` is the text of the owner that is marked as crashed, which the next driver gets as the former owner.
        """
        await self._database.write(lease.mark_crashed(run_id, fence, owner))

    async def driver_requests(self, run_id: str, fence: int) -> list[RequestRow]:
        """Return the requests that are not applied yet, the oldest first.

        Raises:
            LeaseLost: the fence was raised.
        """
        return await self._database.read(lease.driver_requests(run_id, fence))

    async def release_lease(self, run_id: str, fence: int) -> None:
        """Give the lease back; do nothing if it was lost."""
        await self._database.write(lease.release_lease(run_id, fence))

    # For requests from outside

    async def submit_decision(self, run_id: str, node_id: str, iteration: int | None, decision: Decision) -> Submitted:
        """Store a decision on a pending approval and notify the driver; the same decision again changes nothing.

        Without an iteration, the only pending one is decided.

        Raises:
            RunNotFound, NodeNotFound: there is no such run or node.
            ApprovalAmbiguous: several of the node's approvals are pending and no iteration is named.
            ApprovalAlreadyDecided: a different decision was made before.
            RunNotActive: the run has ended, or is being cancelled.
            ApprovalNotPending: the node is not waiting for a decision.
        """
        return await self._submit(run_id, requests.submit_decision(run_id, node_id, iteration, decision))

    async def submit_fire(
        self, run_id: str, node_id: str, iteration: int | None, *, created_at_ms: int, sender: str | None = None
    ) -> Submitted:
        """Store a request to fire a timer now and notify the driver; for one that has fired already, change nothing.

        Raises:
            RunNotFound, NodeNotFound: there is no such run or node.
            InvalidRequest: several of the node's timers are pending and no iteration is named.
            RunNotActive: the run has ended, or is being cancelled.
            TimerNotPending: the node is not a timer that is waiting.
        """
        return await self._submit(run_id, requests.submit_fire(run_id, node_id, iteration, created_at_ms, sender))

    async def submit_signal(self, run_id: str, signal: SignalReceived) -> Submitted:
        """Leave a signal and wake the driver; it is kept until a node takes it.

        Raises:
            RunNotFound: there is no such run.
            RunNotActive: the run has ended, or a cancel is on its way.
            TooManySignals: the run keeps as many signals as it may.
        """
        return await self._submit(run_id, requests.submit_signal(run_id, signal))

    async def submit_cancel(self, run_id: str, *, created_at_ms: int, sender: str | None = None) -> Submitted:
        """Store a request to cancel the run and notify the driver; if there is one already, return that.

        Raises:
            RunNotFound: there is no such run.
            RunNotActive: the run has ended.
        """
        return await self._submit(run_id, requests.submit_cancel(run_id, created_at_ms, sender))

    async def _submit(self, run_id: str, submission: Transaction[Submitted]) -> Submitted:
        submitted = await self._database.write(submission)
        self._subscriptions.wake(run_id, Topic.REQUESTS)
        return submitted

    def subscribe(self, run_id: str, topic: Topic, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` in the event loop's thread when the run may have changed; return a function that ends that.

        A notification carries no data and may be spurious: read the store to find out what has changed.
        """
        return self._subscriptions.add(run_id, topic, wake)

    # For a prune

    async def ended_runs(self, *, finished_before_ms: int, after: EndedRun | None, limit: int) -> list[EndedRun]:
        """Return runs that ended before a time, the oldest first; `after` is the last run of the previous page."""
        return await self._database.read(prune.ended_runs(finished_before_ms, after, limit))

    async def prune_run(self, run_id: str, *, finished_before_ms: int) -> bool:
        """Delete a run that ended before a time, in many small transactions; return False if it may not be deleted.

        The run is hidden from the first transaction on. Another call continues a deletion that was interrupted.
        """
        if not await self._database.write(prune.hide_run(run_id, finished_before_ms)):
            return False
        while await self._database.write(prune.delete_rows(run_id)):
            pass
        return True

    # For readers

    async def run(self, run_id: str) -> RunRow:
        """Return a run's row.

        Raises:
            RunNotFound: there is no such run.
        """
        return await self._database.read(reading.run_row(run_id))

    async def find_run(self, run_id: str) -> RunRow | None:
        """Return a run's row, or None if there is no such run."""
        return await self._database.read(reading.find_run_row(run_id))

    async def runs(self, *, limit: int, is_live: bool | None = None) -> list[RunRow]:
        """Return runs, the newest first: all (None), those that have not ended (True), or those that have (False)."""
        return await self._database.read(reading.run_rows(is_live, limit))

    async def runs_with_prefix(self, prefix: str, *, limit: int) -> list[RunRow]:
        """Return the runs whose ids start with a prefix, the newest first."""
        return await self._database.read(reading.run_rows_with_prefix(prefix, limit))

    async def events(self, run_id: str, *, after_seq: int, limit: int = EVENTS_PER_PAGE_MAX) -> list[EventRow]:
        """Return a page of events in order: at most `limit`, 5,000 and 4 MiB; it is empty only at the log's end."""
        return await self._database.read(reading.event_rows(run_id, after_seq, limit))

    async def outputs(self, run_id: str) -> list[OutputRow]:
        """Return all outputs of a run, in the order in which they were written."""
        return await self._database.read(reading.output_rows(run_id))

    async def small_outputs(self, run_id: str) -> list[OutputRow]:
        """Return outputs of at most 64 Ki characters each, as many as fit into 32 MiB."""
        return await self._database.read(reading.small_output_rows(run_id))

    async def output(self, run_id: str, node_id: str, iteration: int) -> str | None:
        """Return one output as JSON text, or None if there is none."""
        return await self._database.read(reading.output_text(run_id, node_id, iteration))

    async def shown_output(self, run_id: str, node_id: str, iteration: int) -> str | None:
        """Return the output of a node that an approval shows: that of the same iteration, else the latest, or None."""
        return await self._database.read(reading.shown_output_text(run_id, node_id, iteration))

    async def frames(
        self, run_id: str, *, after_frame_no: int = 0, up_to_frame_no: int | None = None
    ) -> list[FrameRow]:
        """Return the frames after `after_frame_no` up to `up_to_frame_no` (None: the last), in order."""
        return await self._database.read(reading.frame_rows(run_id, after_frame_no, up_to_frame_no))

    async def waits(self, run_id: str, kind: WaitKind) -> list[WaitRecord]:
        """Return all waits of a kind, including those that have ended, in the order in which they began."""
        return await self._database.read(waits.wait_records(run_id, kind))

    async def requests(self, run_id: str) -> list[RequestRow]:
        """Return the requests that are not applied yet, the oldest first."""
        return await self._database.read(requests.request_rows(run_id))

    async def is_request_left(self, run_id: str, request_id: int) -> bool:
        """Return whether a request has not been applied yet."""
        return await self._database.read(requests.is_request_left(run_id, request_id))

    async def check(self) -> None:
        """Check that the store answers, and is still at its address.

        Raises:
            StoreUnavailable: the store does not answer, or its file was deleted or replaced.
        """
        await self._database.check_place()
        await self._database.read(reading.ping())

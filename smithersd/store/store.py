"""The store: what remembers runs. One class for all backends; a backend is a `Database`."""

from collections.abc import Callable
from pathlib import Path

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
    """Runs, their events, outputs, frames and waits, and the requests that others leave for them.

    Every method may raise StoreUnavailable: the database refused for a reason that may pass. Then nothing was written,
    or the answer was lost on its way; either way the same call again is right, and writes nothing twice.
    """

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        """`lease_s` is how long a lease lasts that is taken or renewed through this store."""
        self.lease_s = lease_s
        self._lease_ms = round(lease_s * 1000)
        self._database = database
        self._subscriptions = Subscriptions(database.watch)

    @property
    def database(self) -> Database:
        """The database beneath, over which another store may be made with a lease of its own."""
        return self._database

    @property
    def url(self) -> str:
        """Where the store is, without a password."""
        return self._database.url

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    async def back_up(self, target: Path) -> None:
        """Write a copy of the store as it is now to a file that must not exist; writers go on meanwhile.

        Raises:
            UserError: the file exists or cannot be written, or the backend has a way of its own.
        """
        await self._database.back_up(target)

    # For the driver of a run

    async def commit(self, commit: Commit) -> Committed:
        """Make a step durable, atomically, and wake those who follow the run's events.

        Raises:
            LeaseLost: the fence was raised; nothing was written.
            RunExists: a new run's id is taken; nothing was written.
        """
        committed = await self._database.write(commit_step(commit, self._lease_ms))
        self._subscriptions.wake(commit.run_id, Topic.EVENTS)
        return committed

    async def take_lease(
        self, run_id: str, owner: str, *, is_dead: Callable[[str], bool], force: bool = False
    ) -> Lease:
        """Become the run's driver: the fence is raised by one.

        `is_dead` is asked, within the transaction, whether the present owner is known to have ended.

        Raises:
            RunNotFound: there is no such run.
            RunIsDriven: somebody else's lease has time left, and `force` is off.
        """
        taking = lease.take_lease(run_id, owner, is_dead, force=force, lease_ms=self._lease_ms)
        return await self._database.write(taking)

    async def renew_lease(self, run_id: str, fence: int) -> None:
        """Give the lease its full time again; every commit does so too.

        Only here, since a commit is to be quick, is it looked whether the store is still where it was opened.

        Raises:
            LeaseLost: the fence was raised.
        """
        await self._database.check_place()
        await self._database.write(lease.renew_lease(run_id, fence, self._lease_ms))

    def renew_lease_from_thread(self, run_id: str, fence: int) -> None:
        """Give the lease its full time again while the event loop is held; wait for that in the calling thread.

        Raises:
            LeaseLost: the fence was raised, or the lease was given back.
        """
        self._database.write_from_thread(lease.renew_lease(run_id, fence, self._lease_ms))

    async def holds_lease(self, run_id: str, fence: int) -> bool:
        """Whether the lease of this fence has time left, or the run has ended and needs none."""
        return await self._database.read(lease.holds_lease(run_id, fence))

    async def mark_crashed(self, run_id: str, fence: int, owner: str) -> None:
        """End the lease of a driver that has died, and leave its name, so marked, to whoever takes the run up.

        A lease that was lost is not touched.
        """
        await self._database.write(lease.mark_crashed(run_id, fence, owner))

    async def driver_requests(self, run_id: str, fence: int) -> list[RequestRow]:
        """Read what waits to be applied, oldest first.

        Raises:
            LeaseLost: the fence was raised.
        """
        return await self._database.read(lease.driver_requests(run_id, fence))

    async def release_lease(self, run_id: str, fence: int) -> None:
        """Give the lease back; one that was lost is not touched."""
        await self._database.write(lease.release_lease(run_id, fence))

    # For requests from outside

    async def submit_decision(self, run_id: str, node_id: str, iteration: int | None, decision: Decision) -> Submitted:
        """Leave a decision for a pending approval and wake the driver; the same decision again changes nothing.

        Without an iteration the only pending one is meant.

        Raises:
            RunNotFound, NodeNotFound: there is no such run or node.
            ApprovalAmbiguous: several approvals are pending and no iteration is named.
            ApprovalAlreadyDecided: somebody decided otherwise.
            RunNotActive: the run has ended, or a cancel is on its way.
            ApprovalNotPending: the node waits for no decision.
        """
        return await self._submit(run_id, requests.submit_decision(run_id, node_id, iteration, decision))

    async def submit_fire(
        self, run_id: str, node_id: str, iteration: int | None, *, created_at_ms: int, sender: str | None = None
    ) -> Submitted:
        """Leave a request to fire a timer now and wake the driver; one that has fired is left as it is.

        Raises:
            RunNotFound, NodeNotFound: there is no such run or node.
            InvalidRequest: several of the node's timers are pending and no iteration is named.
            RunNotActive: the run has ended, or a cancel is on its way.
            TimerNotPending: the node is not a timer that waits.
        """
        return await self._submit(run_id, requests.submit_fire(run_id, node_id, iteration, created_at_ms, sender))

    async def submit_cancel(self, run_id: str, *, created_at_ms: int, sender: str | None = None) -> Submitted:
        """Leave a request to cancel the run and wake the driver; a second one is the first.

        Raises:
            RunNotFound: there is no such run.
            RunNotActive: it has ended.
        """
        return await self._submit(run_id, requests.submit_cancel(run_id, created_at_ms, sender))

    async def _submit(self, run_id: str, submission: Transaction[Submitted]) -> Submitted:
        submitted = await self._database.write(submission)
        self._subscriptions.wake(run_id, Topic.REQUESTS)
        return submitted

    def subscribe(self, run_id: str, topic: Topic, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` in the event loop's thread when the run may have something new; return what ends that.

        It only wakes, perhaps for nothing: what is new is read from the store.
        """
        return self._subscriptions.add(run_id, topic, wake)

    # For a prune

    async def ended_runs(self, *, finished_before_ms: int, after: EndedRun | None, limit: int) -> list[EndedRun]:
        """Read runs that ended before a time, the oldest first; `after` is the last one of the page before."""
        return await self._database.read(prune.ended_runs(finished_before_ms, after, limit))

    async def prune_run(self, run_id: str, *, finished_before_ms: int) -> bool:
        """Delete a run that ended before a time, in many small transactions; False where it may not be deleted.

        Nobody finds it from the first one on. One that was cut short goes on when it is called again.
        """
        if not await self._database.write(prune.hide_run(run_id, finished_before_ms)):
            return False
        while await self._database.write(prune.delete_rows(run_id)):
            pass
        return True

    # For readers

    async def run(self, run_id: str) -> RunRow:
        """Read a run.

        Raises:
            RunNotFound: there is no such run.
        """
        return await self._database.read(reading.run_row(run_id))

    async def find_run(self, run_id: str) -> RunRow | None:
        """Read a run, None where there is none."""
        return await self._database.read(reading.find_run_row(run_id))

    async def runs(self, *, limit: int, is_live: bool | None = None) -> list[RunRow]:
        """Read runs, the newest first: all, those that have not ended, or those that have."""
        return await self._database.read(reading.run_rows(is_live, limit))

    async def runs_with_prefix(self, prefix: str, *, limit: int) -> list[RunRow]:
        """Read runs whose ids begin so, the newest first."""
        return await self._database.read(reading.run_rows_with_prefix(prefix, limit))

    async def events(self, run_id: str, *, after_seq: int, limit: int = EVENTS_PER_PAGE_MAX) -> list[EventRow]:
        """Read a page of events in order: at most `limit`, 5,000 and 4 MiB; empty only at the log's end."""
        return await self._database.read(reading.event_rows(run_id, after_seq, limit))

    async def outputs(self, run_id: str) -> list[OutputRow]:
        """Read all outputs, in the order in which they came."""
        return await self._database.read(reading.output_rows(run_id))

    async def small_outputs(self, run_id: str) -> list[OutputRow]:
        """Read outputs of at most 64 Ki characters each, as many as fit into 32 MiB."""
        return await self._database.read(reading.small_output_rows(run_id))

    async def output(self, run_id: str, node_id: str, iteration: int) -> str | None:
        """Read one output as JSON text, None where there is none."""
        return await self._database.read(reading.output_text(run_id, node_id, iteration))

    async def shown_output(self, run_id: str, node_id: str, iteration: int) -> str | None:
        """Read what an approval of an iteration shows of a node: the output of the same iteration, else the latest."""
        return await self._database.read(reading.shown_output_text(run_id, node_id, iteration))

    async def frames(
        self, run_id: str, *, after_frame_no: int = 0, up_to_frame_no: int | None = None
    ) -> list[FrameRow]:
        """Read frames in order."""
        return await self._database.read(reading.frame_rows(run_id, after_frame_no, up_to_frame_no))

    async def waits(self, run_id: str, kind: WaitKind) -> list[WaitRecord]:
        """Read all waits of a kind, those that have ended too, in the order in which they asked."""
        return await self._database.read(waits.wait_records(run_id, kind))

    async def requests(self, run_id: str) -> list[RequestRow]:
        """Read the requests that are still to be applied, oldest first."""
        return await self._database.read(requests.request_rows(run_id))

    async def is_request_left(self, run_id: str, request_id: int) -> bool:
        """Whether a request is still to be applied."""
        return await self._database.read(requests.is_request_left(run_id, request_id))

    async def check(self) -> None:
        """Return when the store answers, and is still where it was opened.

        Raises:
            StoreUnavailable: it does not, or a file was deleted or replaced.
        """
        await self._database.check_place()
        await self._database.read(reading.ping())

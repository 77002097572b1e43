"""Cancel or suspend a run from any process: one that has no driver is taken over, with an engine's own events."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never

from smithersd.core.kinds.approval import decision_event
from smithersd.core.kinds.timer import fired_event
from smithersd.core.log import events
from smithersd.core.log.endings import Cancel, closing_events
from smithersd.core.log.events import Event, Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.journal import Journal
from smithersd.core.log.states import NodeState
from smithersd.core.tree.reads import Readers
from smithersd.engine.attempts.orphans import end_orphans
from smithersd.engine.clock import Clock, SystemClock
from smithersd.engine.lease.owner import interruption_by, is_owner_dead, own_text
from smithersd.engine.rows import batch_of, closing_batch
from smithersd.engine.run_info import is_driven
from smithersd.errors import LeaseLost, RunIsDriven, StoreUnavailable
from smithersd.limits import APPLIED_WAIT_S, FEED_POLL_S
from smithersd.query.stored_log import read_state
from smithersd.store import Store
from smithersd.store.records import Commit, RequestKind, RequestRow, Submitted, Topic
from smithersd.store.requests import decision_of, signal_of


async def request_cancel(store: Store, run_id: str, *, by: str | None = None, clock: Clock | None = None) -> Submitted:
    """Request the cancellation of a run. Its driver applies it; a run without a driver has ended when this returns.

    Raises:
        RunNotFound: there is no such run.
        RunNotActive: the run has already ended.
    """
    clock = clock or SystemClock()
    submitted = await store.submit_cancel(run_id, created_at_ms=clock.now_ms(), sender=by)
    row = await store.run(run_id)
    if not row.status.is_final and not is_driven(row):
        await _end_undriven(store, run_id, clock)
    return submitted


async def suspend_without_driver(store: Store, run_id: str, *, clock: Clock | None = None) -> None:
    """Suspend a run that no process drives; its running attempts are recorded as interrupted.

    A run that has ended or is suspended already is left unchanged. Accepted decisions stay in the inbox until the run
    is resumed; an accepted cancellation ends the run instead.

    Raises:
        RunNotFound: there is no such run.
        RunIsDriven: a process drives the run.
    """
    clock = clock or SystemClock()
    row = await store.run(run_id)
    if row.status.is_at_rest:
        return
    if any(request.kind is RequestKind.CANCEL for request in await store.requests(run_id)):
        await _end_undriven(store, run_id, clock)
        return
    lease = await store.take_lease(run_id, own_text(), is_dead=is_owner_dead)
    try:
        if lease.run.status.is_final:  # it has ended since the row was read
            return
        journal = Journal(await read_state(store, run_id), Readers())
        await end_orphans(journal.state)  # now, since a resumption does so only for attempts that are not interrupted
        journal.now_ms = clock.now_ms()
        interruption = interruption_by(lease.former_owner)
        for node in journal.state.nodes.values():
            if node.state is NodeState.IN_PROGRESS:
                journal.emit(events.NodeInterrupted(*node.key, node.attempt, interruption))
        journal.emit(events.RunSuspended("its driver had gone"))
        await store.commit(Commit(run_id, lease.fence, batch_of(journal.take(), journal.state)))
    finally:
        with suppress(StoreUnavailable):  # then the lease runs out
            await store.release_lease(run_id, lease.fence)


async def _end_undriven(store: Store, run_id: str, clock: Clock) -> None:
    try:
        lease = await store.take_lease(run_id, own_text(), is_dead=is_owner_dead)
    except RunIsDriven:
        return  # another process has resumed it meanwhile, and will read the request
    try:
        state = await read_state(store, run_id)
        await end_orphans(state)
        is_closed = False
        while not is_closed and not state.status.is_final:
            commit = _closing_commit(state, lease.fence, await store.requests(run_id), clock.now_ms())
            is_closed = (await store.commit(commit)).is_closed
    except LeaseLost:
        return  # another process has taken it over, and will read the request
    finally:
        with suppress(StoreUnavailable):  # then the lease runs out
            await store.release_lease(run_id, lease.fence)


def _closing_commit(state: RunState, fence: int, requests: Sequence[RequestRow], now_ms: int) -> Commit:
    """Return the commit that cancels the run; the requests that were accepted before are applied first."""
    journal = Journal(state, Readers())
    journal.now_ms = now_ms
    earlier = [request for request in requests if request.kind is not RequestKind.CANCEL]
    for request in earlier:
        journal.emit(_effect(request, state, now_ms))
    first_seq = state.last_seq + 1
    closing = [Recorded(first_seq + i, now_ms, event) for i, event in enumerate(closing_events(state, Cancel()))]
    return Commit(
        run_id=state.run_id,
        fence=fence,
        batch=batch_of(journal.take(), state),
        applied=tuple(request.id for request in earlier),
        closing=closing_batch(closing, state),
        closing_applied=tuple(request.id for request in requests if request.kind is RequestKind.CANCEL),
    )


def _effect(request: RequestRow, state: RunState, now_ms: int) -> Event:
    """Return the event with which a request ends a wait."""
    match request.kind:
        case RequestKind.DECIDE:
            return decision_event(request.wait_key, decision_of(request))
        case RequestKind.FIRE:
            return fired_event(state.nodes[request.wait_key], request.sender, now_ms)
        case RequestKind.SIGNAL:
            return signal_of(request)
        case RequestKind.CANCEL:
            raise AssertionError("a cancel ends the run, not a wait")
        case _:
            assert_never(request.kind)


async def wait_until_applied(store: Store, submitted: Submitted) -> None:
    """Wait until the driver has applied the request, for at most APPLIED_WAIT_S seconds.

    Return without an error if the store does not answer or the time is over: the request is durable in any case.
    """
    if submitted.request_id is None or not submitted.is_leased:
        return
    woken = asyncio.Event()
    unsubscribe = store.subscribe(submitted.run_id, Topic.EVENTS, woken.set)
    try:
        with suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(APPLIED_WAIT_S):
                await _wait_while_left(store, submitted.run_id, submitted.request_id, woken)
    finally:
        unsubscribe()


async def _wait_while_left(store: Store, run_id: str, request_id: int, woken: asyncio.Event) -> None:
    while await store.is_request_left(run_id, request_id) and is_driven(await store.run(run_id)):
        with suppress(TimeoutError):
            async with asyncio.timeout(FEED_POLL_S):
                await woken.wait()
        woken.clear()

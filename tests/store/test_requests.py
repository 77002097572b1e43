"""Decisions and cancels: checked and left in one transaction, once, in a fixed order of refusals."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from smithersd.core.log.events import SignalReceived
from smithersd.core.log.records import WaitRecord
from smithersd.core.log.states import RunStatus, WaitKind, WaitStatus
from smithersd.errors import (
    ApprovalAlreadyDecided,
    ApprovalAmbiguous,
    ApprovalNotPending,
    InvalidRequest,
    NodeNotFound,
    RunNotActive,
    RunNotFound,
    TimerNotPending,
    TooManySignals,
)
from smithersd.store import Store
from smithersd.store.records import Commit, RequestKind, Submitted
from smithersd.store.requests import decision_of, signal_of
from tests.store.processes import ready_child
from tests.store.rows import NOW_MS, Decided, approval, begin, decided, decision, end, event, pending, step, timer
from tests.support.backends import Backend
from tests.support.waiting import DEADLINE_S


async def begin_with(store: Store, *waits: WaitRecord) -> None:
    await store.commit(begin("run-1", pending(1, "approval"), pending(2, "task"), waits=waits))


async def finish(store: Store) -> None:
    seq = (await store.run("run-1")).last_seq + 1
    await store.commit(Commit("run-1", 1, end(seq), applied=tuple(row.id for row in await store.requests("run-1"))))


async def test_a_decision_is_left_with_all_that_was_said(store: Store) -> None:
    await begin_with(store, approval(iteration=3))
    said = decision(is_approval=False, note="no\n", decision={"a": 1})
    submitted = await store.submit_decision(*said)
    (row,) = await store.requests("run-1")
    assert (row.id, row.kind, row.node_id, row.iteration) == (submitted.request_id, RequestKind.DECIDE, "approval", 3)
    assert (decision_of(row), row.sender, row.created_at_ms) == (said[3], "ann", NOW_MS)
    assert submitted.is_leased
    assert submitted.request_id is not None
    assert await store.is_request_left("run-1", submitted.request_id)
    assert not await store.is_request_left("run-2", submitted.request_id)


async def test_a_decision_for_what_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(RunNotFound):
        await store.submit_decision(*decision())
    await begin_with(store)
    for node_id in ("nope", "approval\0", "APPROVAL"):
        with pytest.raises(NodeNotFound):
            await store.submit_decision(*decision(node_id))
    with pytest.raises(ApprovalNotPending):
        await store.submit_decision(*decision("task"))


async def test_an_unnamed_approval_among_several_is_ambiguous(store: Store) -> None:
    await begin_with(store, approval(iteration=0), approval(iteration=1), decided(iteration=2))
    with pytest.raises(ApprovalAmbiguous) as caught:
        await store.submit_decision(*decision())
    assert caught.value.details == {"pending": [{"nodeId": "approval", "iteration": i} for i in (0, 1)]}
    await store.submit_decision(*decision(iteration=0))
    await store.submit_decision(*decision())
    assert [row.iteration for row in await store.requests("run-1")] == [0, 1]


SAME = [
    (decision(), decision(note="another note", at_ms=NOW_MS + 5)),
    (decision(by=None), decision(by=None)),
    (decision(decision={"a": 1, "b": 2}), decision(decision={"b": 2, "a": 1})),
    (decision(is_approval=False), decision(is_approval=False, iteration=0)),
]
OTHERWISE = [
    (decision(), decision(is_approval=False)),
    (decision(), decision(by="bob")),
    (decision(by=None), decision()),
    (decision(decision=1), decision(decision=True)),
    (decision(decision=1), decision()),
]


async def apply(store: Store) -> None:
    """Apply what was accepted as an engine would."""
    (row,) = await store.requests("run-1")
    ended = approval(status=WaitStatus.ENDED, decision=decision_of(row))
    await store.commit(replace(step("run-1", event(3), waits=(ended,)), applied=(row.id,)))


@pytest.mark.parametrize(("first", "again"), SAME)
async def test_the_same_decision_again_is_accepted_and_changes_nothing(
    store: Store, first: Decided, again: Decided
) -> None:
    await begin_with(store, approval())
    submitted = await store.submit_decision(*first)
    assert await store.submit_decision(*again) == submitted
    await apply(store)
    assert (await store.submit_decision(*again)).request_id is None
    await finish(store)
    assert (await store.submit_decision(*again)).request_id is None
    assert await store.requests("run-1") == []


@pytest.mark.parametrize(("first", "other"), OTHERWISE)
async def test_another_decision_hears_who_won(store: Store, first: Decided, other: Decided) -> None:
    await begin_with(store, approval())
    await store.submit_decision(first[0], first[1], first[2], first[3].model_copy(update={"note": "mine"}))

    async def refused() -> dict[str, object]:
        with pytest.raises(ApprovalAlreadyDecided) as caught:
            await store.submit_decision(*other)
        assert caught.value.details is not None
        return dict(caught.value.details)

    before = await refused()
    assert (before["decidedBy"], before["approved"], before["note"]) == (first[3].decided_by, True, "mine")
    assert (before["decidedAtMs"], before["nodeId"], before["iteration"]) == (NOW_MS, "approval", 0)
    await apply(store)
    assert await refused() == before
    await finish(store)
    assert await refused() == before, "that it was decided comes before that the run has ended"


async def test_without_an_iteration_and_with_none_pending_the_latest_decided_approval_is_meant(store: Store) -> None:
    latest = decided(iteration=0, at_ms=NOW_MS + 9, by="zoe")
    await begin_with(store, latest, decided(iteration=1), approval(iteration=2, status=WaitStatus.CANCELLED))
    assert (await store.submit_decision(*decision(by="zoe"))).request_id is None
    with pytest.raises(ApprovalAlreadyDecided, match="by zoe"):
        await store.submit_decision(*decision(by="ann"))


async def test_a_approval_that_was_closed_or_never_asked_waits_for_nothing(store: Store) -> None:
    await begin_with(store, approval(status=WaitStatus.CANCELLED))
    for wanted in (decision(), decision(iteration=0), decision(iteration=1), decision(iteration=2**40)):
        with pytest.raises(ApprovalNotPending):
            await store.submit_decision(*wanted)


async def test_a_run_that_has_ended_takes_no_more(store: Store) -> None:
    await begin_with(store, approval(status=WaitStatus.CANCELLED))
    await finish(store)
    with pytest.raises(RunNotActive, match="ended"):
        await store.submit_decision(*decision())
    with pytest.raises(RunNotActive, match="ended"):
        await store.submit_cancel("run-1", created_at_ms=NOW_MS)
    with pytest.raises(NodeNotFound):
        await store.submit_decision(*decision("nope"))
    assert await store.requests("run-1") == []


async def test_a_cancel_on_its_way_shuts_out_decisions_but_not_earlier_ones(store: Store) -> None:
    await begin_with(store, approval(), approval("other"))
    await store.submit_decision(*decision())
    await store.submit_cancel("run-1", created_at_ms=NOW_MS, sender="ann")
    with pytest.raises(RunNotActive, match="cancelled"):
        await store.submit_decision(*decision("other"))
    await store.submit_decision(*decision())


async def test_a_second_cancel_is_the_first(store: Store) -> None:
    await begin_with(store)
    first = await store.submit_cancel("run-1", created_at_ms=NOW_MS, sender="ann")
    assert await store.submit_cancel("run-1", created_at_ms=NOW_MS + 1, sender="bob") == first
    (row,) = await store.requests("run-1")
    assert (row.kind, row.sender, row.node_id, row.iteration) == (RequestKind.CANCEL, "ann", None, None)
    with pytest.raises(RunNotFound):
        await store.submit_cancel("nope", created_at_ms=NOW_MS)


@pytest.mark.parametrize("status", [status for status in RunStatus if not status.is_final])
async def test_every_live_run_takes_decisions_and_cancels(store: Store, status: RunStatus) -> None:
    await begin_with(store, approval())
    await store.commit(step("run-1", event(3), status=status))
    await store.release_lease("run-1", 1)
    assert not (await store.submit_decision(*decision())).is_leased
    assert not (await store.submit_cancel("run-1", created_at_ms=NOW_MS)).is_leased


async def test_an_id_of_a_request_is_never_given_twice(store: Store) -> None:
    await begin_with(store, approval(), approval("other"))
    first = (await store.submit_decision(*decision())).request_id
    await apply(store)
    second = (await store.submit_decision(*decision("other"))).request_id
    assert first is not None
    assert second is not None
    assert second > first


async def fire(store: Store, node_id: str = "timer", iteration: int | None = None) -> Submitted:
    return await store.submit_fire("run-1", node_id, iteration, created_at_ms=NOW_MS, sender="ann")


async def test_a_timer_is_fired_once(store: Store) -> None:
    await store.commit(begin("run-1", pending(1, "timer"), waits=(timer(),)))
    submitted = await fire(store)
    assert await fire(store) == await fire(store, iteration=0) == submitted
    (row,) = await store.requests("run-1")
    assert (row.kind, row.wait_key, row.sender, row.payload) == (RequestKind.FIRE, ("timer", 0), "ann", None)
    fired = timer(status=WaitStatus.ENDED)
    await store.commit(replace(step("run-1", event(2), waits=(fired,)), applied=(row.id,)))
    assert (await fire(store)).request_id is None, "it has fired, which was wanted"


async def test_what_is_not_a_timer_that_waits_is_not_fired(store: Store) -> None:
    with pytest.raises(RunNotFound):
        await fire(store)
    closed = timer("closed", status=WaitStatus.CANCELLED)
    await begin_with(store, approval(), closed, timer("two"), timer("two", 1))
    for node_id in ("approval", "task", "closed"):
        with pytest.raises(TimerNotPending):
            await fire(store, node_id)
    with pytest.raises(NodeNotFound):
        await fire(store, "nope")
    with pytest.raises(InvalidRequest, match="2 pending timers"):
        await fire(store, "two")
    assert (await fire(store, "two", 1)).request_id is not None
    await store.submit_cancel("run-1", created_at_ms=NOW_MS)
    with pytest.raises(RunNotActive, match="cancelled"):
        await fire(store, "two", 0)


@pytest.mark.slow
async def test_of_50_decisions_at_once_from_5_processes_one_is_applied_and_49_hear_who_won(
    backend: Backend, store: Store
) -> None:
    await begin_with(store, approval())
    verb = ("decide", backend.url, "run-1", "approval")
    async with (
        ready_child(*verb, "a", 10) as a, ready_child(*verb, "b", 10) as b, ready_child(*verb, "c", 10) as c,
        ready_child(*verb, "d", 10) as d, ready_child(*verb, "e", 10) as e,
    ):  # fmt: skip
        children = [a, b, c, d, e]
        for child in children:
            child.go()
        answers = [answer for child in children for answer in await child.line()]
    (row,) = await store.requests("run-1")
    assert Counter(answer["code"] for answer in answers) == {None: 1, "APPROVAL_ALREADY_DECIDED": 49}
    assert {answer["winner"] for answer in answers} == {row.sender}


@pytest.mark.slow
async def test_decisions_at_full_speed_beside_commits_at_full_speed_are_all_applied(
    backend: Backend, store: Store
) -> None:
    count = 500
    names = [f"approval-{i}" for i in range(count)]
    nodes = [pending(seq, name) for seq, name in enumerate(names, 1)]
    await store.commit(begin("run-1", *nodes, waits=tuple(approval(name) for name in names)))
    seq, granted = count, set[str | None]()
    async with ready_child("decide_all", backend.url, "run-1", count) as child, asyncio.timeout(DEADLINE_S):
        child.go()
        while len(granted) < count:
            inbox = await store.requests("run-1")
            seq += 1
            granted |= {row.node_id for row in inbox}
            waits = tuple(decided(str(row.node_id)) for row in inbox)
            await store.commit(replace(step("run-1", event(seq), waits=waits), applied=tuple(row.id for row in inbox)))
        assert await child.line() == "done"
    assert {row.status for row in await store.waits("run-1", WaitKind.APPROVAL)} == {WaitStatus.ENDED}
    assert (await store.run("run-1")).last_seq == seq


async def signal(store: Store, data: object = None) -> Submitted:
    return await store.submit_signal("run-1", SignalReceived("paid", data, NOW_MS, "INV-7", "ann"))


async def test_each_signal_is_left_once_and_in_order(store: Store) -> None:
    await begin_with(store)
    ids = [(await signal(store, number)).request_id for number in (1, 2)]
    rows = await store.driver_requests("run-1", 1)
    assert [row.id for row in rows] == ids
    assert [signal_of(row) for row in rows] == [SignalReceived("paid", one, NOW_MS, "INV-7", "ann") for one in (1, 2)]


async def test_what_is_kept_and_what_is_left_count_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smithersd.store.requests.SIGNALS_KEPT_MAX", 3)
    await begin_with(store)
    commit = step("run-1", event(3))
    await store.commit(replace(commit, batch=replace(commit.batch, signals_kept=2)))
    await signal(store)
    with pytest.raises(TooManySignals):
        await signal(store)


async def test_a_run_that_is_being_cancelled_takes_no_signal(store: Store) -> None:
    await begin_with(store)
    await store.submit_cancel("run-1", created_at_ms=NOW_MS)
    with pytest.raises(RunNotActive):
        await signal(store)


async def test_a_driver_is_given_so_many_requests_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smithersd.store.requests.REQUESTS_PER_STEP_MAX", 2)
    await begin_with(store)
    for number in range(3):
        await signal(store, number)
    assert len(await store.driver_requests("run-1", 1)) == 2
    assert len(await store.requests("run-1")) == 3

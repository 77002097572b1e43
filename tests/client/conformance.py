"""What the port `smithersd.client.Run` promises, whatever stands behind it.

Who implements the port derives a class from `RunPromises` with a fixture `run`: a way to the run RUN_ID of the fixture
`store`, which need not have begun. A workflow is driven by an engine beside the test; everything else goes through the
port alone.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Parallel, Signal, Store, Task, Timer, workflow
from smithersd import Sequence as InTurn
from smithersd.client import RequestStage, Run
from smithersd.core.log.event_json import decode
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import fold
from smithersd.core.log.states import AttemptState, NodeState, RunStatus, WaitKind
from smithersd.errors import (
    ApprovalAlreadyDecided,
    ApprovalAmbiguous,
    ApprovalNotPending,
    InvalidRequest,
    NodeNotFound,
    ResultNotFound,
    RunNotActive,
    RunNotFound,
    TimerNotPending,
)
from smithersd.feed import Encoded
from smithersd.limits import SHOWN_BYTES_MAX, SIGNAL_DATA_BYTES_MAX
from tests.support.runs import RUN_ID, driven
from tests.support.waiting import DEADLINE_S, until_async


@workflow
def release(ctx: Context[Any]) -> Any:
    """Asks once, and does what was decided."""
    notes = Task("notes", lambda: {"fixed": 3})
    ask = Approval("publish", title="Publish it?", summary="To all.", show=notes, metadata={"risk": "low"})
    return InTurn(notes, ask, Task("upload", lambda decision: decision.decision, ask))


@workflow
def overnight(ctx: Context[Any]) -> Any:
    """Waits for a time."""
    return InTurn(Timer("night", "8h"), Task("after", str, 1))


@workflow
def order(ctx: Context[Any]) -> Any:
    """Waits for a signal."""
    return InTurn(Signal("paid", int, key="INV-7"), Task("after", str, 1))


@workflow
def everything(ctx: Context[Any]) -> Any:
    """Waits for all that there is."""
    return Parallel(
        Approval("publish", title="Publish it?"),
        Timer("night", "8h"),
        Signal("paid", name="pay ed", key="INV-7"),
        Task("breaks", lambda: 1 / 0, retries=1, retry_delay="1h"),
    )


@workflow
def two_regions(ctx: Context[Any]) -> Any:
    """Asks twice at once."""
    return Parallel(Approval("eu"), Approval("ap", on_deny="skip"))


@workflow
def verbose(ctx: Context[Any]) -> Any:
    """Shows more than a page holds."""
    notes = Task("notes", lambda: "x" * (SHOWN_BYTES_MAX + 1))
    return InTurn(notes, Approval("publish", show=notes))


@workflow
def unlucky(ctx: Context[Any]) -> Any:
    """Tries twice, and fails; nothing follows."""
    return InTurn(Task("divide", lambda: 1 / 0, retries=1, retry_delay=0.0), Task("never", str, 1))


@workflow
def branching(ctx: Context[Any]) -> Any:
    """Grows while it runs: frames."""
    return InTurn(
        Task("first", str, 1),
        Branch("large?", lambda _: False, then=Task("yes", str, 1), otherwise=Task("no", str, 0)),
        lambda c: Task("later", str.upper, c.latest("first")),
    )


async def until_status(run: Run, status: RunStatus) -> None:
    """Wait until the run stands so."""

    async def stands_so() -> bool:
        return (await run.info()).status is status

    await until_async(stands_so)


async def _are_waits(run: Run, count: int) -> bool:
    return len(await run.waits()) == count


async def ended(driving: asyncio.Task[Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await driving


async def all_events(run: Run, **options: Any) -> list[Encoded]:
    return [event async for page in run.events(**options) for event in page]


async def followed(run: Run, seen: list[Encoded], **options: Any) -> Sequence[Encoded]:
    """Follow the run to its end."""
    async with run.follow(**options) as batches:
        async for batch in batches:
            seen.extend(batch)
    return seen


def recorded(event: Encoded) -> Recorded:
    return Recorded(event.seq, json.loads(event.data)["timestampMs"], decode(event.data.decode()))


READINGS: dict[str, Callable[[Run], Awaitable[Any]]] = {
    "info": lambda run: run.info(),
    "state": lambda run: run.state(),
    "snapshot": lambda run: run.snapshot(),
    "nodes": lambda run: run.nodes(),
    "node": lambda run: run.node("notes"),
    "output": lambda run: run.output("notes", 0),
    "result": lambda run: run.result(),
    "frames": lambda run: run.frames(limit=1),
    "events": all_events,
    "follow": lambda run: followed(run, []),
    "approvals": lambda run: run.approvals(),
    "approval": lambda run: run.approval("publish"),
    "waits": lambda run: run.waits(),
    "select_approval": lambda run: run.select_approval(),
}
REQUESTS: dict[str, Callable[[Run], Awaitable[Any]]] = {
    "approve": lambda run: run.approve("publish"),
    "deny": lambda run: run.deny("publish"),
    "fire": lambda run: run.fire("night"),
    "signal": lambda run: run.signal("paid"),
    "cancel": lambda run: run.cancel(),
}


class RunPromises:
    """The promises, one a test."""

    @pytest.fixture
    def run(self, store: Store) -> Run:
        """The way to the run RUN_ID of the store."""
        raise NotImplementedError

    # Reading

    @pytest.mark.parametrize("call", [*READINGS.values(), *REQUESTS.values()], ids=[*READINGS, *REQUESTS])
    async def test_a_run_that_is_not_there_is_said_to_be_missing(
        self, run: Run, call: Callable[[Run], Awaitable[Any]]
    ) -> None:
        with pytest.raises(RunNotFound):
            await call(run)

    async def test_a_run_is_told_with_who_drives_it(self, run: Run, store: Store) -> None:
        async with driven(release, store, input={"version": "1.2"}):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            info = await run.info()
            assert (info.run_id, run.run_id, info.workflow_name) == (RUN_ID, RUN_ID, "release")
            assert (json.loads(info.input), info.finished_at_ms, info.error) == ({"version": "1.2"}, None, None)
            assert info.driver is not None
            assert not info.is_interrupted
        suspended = await run.info()
        assert (suspended.status, suspended.status_text) == (RunStatus.SUSPENDED, "suspended")
        assert suspended.driver is None

    async def test_a_run_that_failed_is_told_with_its_error_and_its_end(self, run: Run, store: Store) -> None:
        async with driven(unlucky, store) as (_, driving):
            await ended(driving)
        info = await run.info()
        assert info.status is RunStatus.FAILED
        assert info.error is not None
        assert "division by zero" in info.error.message
        assert info.finished_at_ms is not None
        assert info.started_at_ms <= info.finished_at_ms

    async def test_the_state_is_what_the_events_make_of_the_run(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            events = await all_events(run)
            assert await run.state() == fold(RUN_ID, map(recorded, events))

    async def test_nodes_come_in_the_order_of_the_tree_those_that_are_still_to_come_too(
        self, run: Run, store: Store
    ) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            nodes = [(node.node_id, node.state) for node in await run.nodes()]
        assert nodes == [
            ("notes", NodeState.FINISHED),
            ("publish", NodeState.WAITING_APPROVAL),
            ("upload", NodeState.PENDING),
        ]

    async def test_a_node_is_told_with_all_its_attempts(self, run: Run, store: Store) -> None:
        async with driven(unlucky, store) as (_, driving):
            await ended(driving)
        [node] = await run.node("divide")
        assert node.state is NodeState.FAILED
        assert [(attempt.attempt, attempt.state) for attempt in node.attempts] == [
            (1, AttemptState.FAILED),
            (2, AttemptState.FAILED),
        ]
        assert all(attempt.error is not None for attempt in node.attempts)

    async def test_a_node_that_the_run_does_not_have_is_said_to_be_missing(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            with pytest.raises(NodeNotFound):
                await run.node("pubish")
            with pytest.raises(NodeNotFound):
                await run.approve("pubish")

    async def test_an_output_is_there_once_its_node_has_one(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            output = await run.output("notes", 0)
            assert output is not None
            assert json.loads(output) == {"fixed": 3}
            assert await run.output("upload", 0) is None

    async def test_the_result_is_there_once_the_run_has_finished(self, run: Run, store: Store) -> None:
        async with driven(release, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            with pytest.raises(ResultNotFound):
                await run.result()
            await run.approve("publish", decision={"to": "all"})
            await ended(driving)
        assert json.loads(await run.result()) == {"to": "all"}

    async def test_a_run_that_ended_without_an_output_has_no_result(self, run: Run, store: Store) -> None:
        async with driven(unlucky, store) as (_, driving):
            await ended(driving)
        with pytest.raises(ResultNotFound):
            await run.result()

    async def test_frames_come_newest_first_or_after_one_oldest_first(self, run: Run, store: Store) -> None:
        async with driven(branching, store) as (_, driving):
            await ended(driving)
        newest = await run.frames(limit=100)
        numbers = [frame["frameNo"] for frame in newest]
        assert len(numbers) > 1
        assert numbers == list(range(numbers[0], 0, -1))
        assert await run.frames(limit=1) == newest[:1]
        assert await run.frames(after_frame_no=1, limit=100) == newest[-2::-1]
        assert await run.frames(after_frame_no=numbers[0], limit=100) == []

    async def test_a_snapshot_tells_all_of_the_run_as_of_one_moment(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            snapshot = await run.snapshot()
            assert snapshot.state == await run.state()
            assert snapshot.info.status is RunStatus.WAITING_APPROVAL
            assert snapshot.node_ids == ["notes", "publish", "upload"]
            assert snapshot.tree == (await run.frames(limit=1))[0]["tree"]
            assert {key: json.loads(text) for key, text in snapshot.outputs.items()} == {("notes", 0): {"fixed": 3}}
            assert snapshot.approvals == snapshot.undecided == await run.approvals()
            assert snapshot.requests == []

    # Events

    async def test_events_come_without_a_gap_from_wherever_one_starts(self, run: Run, store: Store) -> None:
        async with driven(branching, store) as (_, driving):
            await ended(driving)
        events = await all_events(run)
        last_seq = (await run.info()).last_seq
        assert [event.seq for event in events] == list(range(last_seq + 1))
        assert (events[0].type, events[-1].type) == ("RunStarted", "RunFinished")
        assert await all_events(run, after_seq=3) == events[4:]
        assert await all_events(run, after_seq=last_seq) == []

    async def test_who_follows_gets_each_event_once_as_it_comes_and_the_end(self, run: Run, store: Store) -> None:
        async with driven(release, store) as (_, driving):
            seen: list[Encoded] = []
            following = asyncio.create_task(followed(run, seen))
            await until_async(lambda: any(event.type == "ApprovalRequested" for event in seen))
            await run.approve("publish")
            async with asyncio.timeout(DEADLINE_S):
                assert await following == await all_events(run)
            await ended(driving)

    async def test_who_follows_a_run_that_has_ended_gets_the_rest_and_no_more(self, run: Run, store: Store) -> None:
        async with driven(branching, store) as (_, driving):
            await ended(driving)
        events = await all_events(run)
        async with asyncio.timeout(DEADLINE_S):
            assert await followed(run, [], after_seq=3) == events[4:]
            assert await followed(run, [], after_seq=events[-1].seq) == []

    # Timers

    async def test_a_timer_that_was_fired_has_fired_when_the_call_returns(self, run: Run, store: Store) -> None:
        async with driven(overnight, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_TIMER)
            assert await run.fire("night", fired_by="ada") is RequestStage.APPLIED
            [fired] = [event for event in await all_events(run) if event.type == "TimerFired"]
            assert json.loads(fired.data)["firedBy"] == "ada"
            await ended(driving)
        assert await run.fire("night") is RequestStage.REPEATED

    async def test_only_a_timer_that_waits_is_fired(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            with pytest.raises(TimerNotPending):
                await run.fire("publish")
            with pytest.raises(NodeNotFound):
                await run.fire("nope")

    # Approvals

    async def test_what_waits_comes_with_all_that_is_needed_to_decide(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            [asked] = await run.approvals()
            assert (asked.key, asked.title, asked.summary) == (("publish", 0), "Publish it?", "To all.")
            assert (asked.metadata, asked.on_deny, asked.show) == ({"risk": "low"}, "fail", "notes")
            assert (asked.shown, asked.is_cut) == ({"fixed": 3}, False)
            assert asked == await run.approval("publish")

    async def test_what_is_shown_is_cut_where_it_is_too_long_and_that_is_said(self, run: Run, store: Store) -> None:
        async with driven(verbose, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            [asked] = await run.approvals()
        assert asked.is_cut
        assert isinstance(asked.shown, str)
        assert len(asked.shown.encode()) <= SHOWN_BYTES_MAX

    async def test_an_approval_can_still_be_read_once_it_was_decided(self, run: Run, store: Store) -> None:
        async with driven(release, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            [asked] = await run.approvals()
            await run.approve("publish")
            await ended(driving)
        assert await run.approvals() == []
        assert await run.approval("publish") == await run.approval("publish", iteration=0) == asked

    async def test_a_node_that_never_asked_has_no_approval(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            with pytest.raises(ApprovalNotPending):
                await run.approval("notes")
            with pytest.raises(ApprovalNotPending):
                await run.approve("notes")

    async def test_the_only_approval_that_waits_is_meant_and_then_the_one_decided_last(
        self, run: Run, store: Store
    ) -> None:
        async with driven(two_regions, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            with pytest.raises(ApprovalAmbiguous) as ambiguous:
                await run.select_approval()
            assert ambiguous.value.details is not None
            pending = {(one["nodeId"], one["iteration"]) for one in ambiguous.value.details["pending"]}
            assert pending == {("eu", 0), ("ap", 0)}
            await run.approve("eu")
            assert await run.select_approval() == ("ap", 0)
            await run.deny("ap")
            await ended(driving)
        assert await run.select_approval() == ("ap", 0)

    async def test_of_a_run_that_never_asked_no_approval_is_meant(self, run: Run, store: Store) -> None:
        async with driven(branching, store) as (_, driving):
            await ended(driving)
        with pytest.raises(ApprovalNotPending):
            await run.select_approval()

    # Decisions

    async def test_an_approval_has_taken_effect_when_the_call_returns(self, run: Run, store: Store) -> None:
        async with driven(release, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            stage = await run.approve("publish", note="as agreed", decided_by="ada", decision={"channel": "beta"})
            assert stage is RequestStage.APPLIED
            asked = (await run.state()).nodes["publish", 0].approval
            assert asked is not None
            assert asked.decision is not None
            decision = asked.decision
            assert (decision.approved, decision.note, decision.decided_by) == (True, "as agreed", "ada")
            await ended(driving)
        uploaded = await run.output("upload", 0)
        assert uploaded is not None
        assert json.loads(uploaded) == {"channel": "beta"}

    async def test_a_denial_ends_the_run_where_the_approval_says_so(self, run: Run, store: Store) -> None:
        async with driven(release, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            assert await run.deny("publish", note="not today") is RequestStage.APPLIED
            await ended(driving)
        info = await run.info()
        assert (info.status, info.error and info.error.code) == (RunStatus.FAILED, "APPROVAL_DENIED")

    async def test_the_same_decision_again_changes_nothing_and_another_one_is_refused(
        self, run: Run, store: Store
    ) -> None:
        async with driven(release, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            await run.approve("publish", decided_by="ada", note="first")
            await ended(driving)
        last_seq = (await run.info()).last_seq
        assert await run.approve("publish", decided_by="ada", note="second") is RequestStage.REPEATED
        with pytest.raises(ApprovalAlreadyDecided) as refused:
            await run.deny("publish", decided_by="bob")
        assert refused.value.details is not None
        assert {**refused.value.details, "decidedAtMs": 0} == {
            "nodeId": "publish",
            "iteration": 0,
            "approved": True,
            "decidedBy": "ada",
            "decidedAtMs": 0,
            "note": "first",
            "decision": None,
        }
        assert (await run.info()).last_seq == last_seq

    async def test_of_many_decisions_at_once_exactly_one_counts(self, run: Run, store: Store) -> None:
        async with driven(release, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            people = [run.approve("publish", decided_by=f"person {number}") for number in range(5)]
            outcomes = await asyncio.gather(*people, return_exceptions=True)
            await ended(driving)
        assert len([one for one in outcomes if isinstance(one, RequestStage)]) == 1
        assert len([one for one in outcomes if isinstance(one, ApprovalAlreadyDecided)]) == 4
        assert [event.type for event in await all_events(run)].count("ApprovalGranted") == 1

    async def test_a_decision_on_a_run_that_nobody_drives_is_kept_until_it_goes_on(
        self, run: Run, store: Store
    ) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
        assert await run.approve("publish", decided_by="ada") is RequestStage.ACCEPTED
        snapshot = await run.snapshot()
        [request] = snapshot.requests
        assert (request.verb, request.node_id, request.iteration) == ("approve", "publish", 0)
        assert request.requested_by == "ada"
        assert snapshot.undecided == await run.approvals() == []
        async with driven(release, store) as (_, driving):
            await ended(driving)
        assert (await run.info()).status is RunStatus.FINISHED

    async def test_a_run_that_has_ended_takes_no_request(self, run: Run, store: Store) -> None:
        async with driven(two_regions, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            await run.deny("eu")
            await ended(driving)
        assert (await run.info()).status is RunStatus.FAILED
        with pytest.raises(RunNotActive):
            await run.approve("ap")
        with pytest.raises(RunNotActive):
            await run.cancel()

    # Cancelling

    async def test_all_that_is_waited_for_is_listed_with_what_ends_it(self, run: Run, store: Store) -> None:
        async with driven(everything, store):
            await until_async(lambda: _are_waits(run, 4))
            waits = {wait.kind: wait for wait in await run.waits()}
        assert {wait.node_id for wait in waits.values()} == {"publish", "night", "paid", "breaks"}
        assert {kind: wait.routes for kind, wait in waits.items()} == {
            WaitKind.APPROVAL: ["POST /approve/publish", "POST /deny/publish"],
            WaitKind.TIMER: ["POST /fire/night"],
            WaitKind.SIGNAL: ["POST /signal/pay%20ed"],
            WaitKind.RETRY: [],
        }
        assert waits[WaitKind.APPROVAL].title == "Publish it?"
        assert (waits[WaitKind.SIGNAL].name, waits[WaitKind.SIGNAL].correlation_id) == ("pay ed", "INV-7")
        due_at_ms = {kind: wait.due_at_ms is not None for kind, wait in waits.items()}
        assert due_at_ms == dict.fromkeys(WaitKind, True) | {WaitKind.APPROVAL: False, WaitKind.SIGNAL: False}

    async def test_a_run_that_has_ended_waits_for_nothing(self, run: Run, store: Store) -> None:
        async with driven(order, store) as (engine, driving):
            await until_status(run, RunStatus.WAITING_EVENT)
            engine.request_cancel()
            await ended(driving)
        assert await run.waits() == []

    async def test_a_signal_is_delivered_to_the_node_that_waits_for_it(self, run: Run, store: Store) -> None:
        async with driven(order, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_EVENT)
            assert await run.signal("paid", 1) is RequestStage.APPLIED
            assert (await run.info()).status is RunStatus.WAITING_EVENT, "it has no key"
            assert await run.signal("paid", 7, key="INV-7", sent_by="ann") is RequestStage.APPLIED
            await ended(driving)
        assert await run.output("paid", 0) == "7"
        received = [json.loads(one.data) for one in await all_events(run) if one.type == "SignalReceived"]
        assert [one.get("sentBy") for one in received] == [None, "ann"]

    async def test_a_signal_is_stored_where_nobody_drives(self, run: Run, store: Store) -> None:
        async with driven(order, store):
            await until_status(run, RunStatus.WAITING_EVENT)
        assert await run.signal("paid", 7, key="INV-7") is RequestStage.ACCEPTED
        async with driven(order, store) as (_, driving):
            await ended(driving)
        assert await run.output("paid", 0) == "7"

    @pytest.mark.parametrize("name", ["", "x" * 201, "a\nb"])
    async def test_what_is_no_name_of_a_signal_is_refused(self, run: Run, store: Store, name: str) -> None:
        async with driven(order, store):
            await until_status(run, RunStatus.WAITING_EVENT)
            for arguments in ((name, None, None), ("paid", None, name), ("paid", "x" * SIGNAL_DATA_BYTES_MAX, None)):
                with pytest.raises(InvalidRequest):
                    await run.signal(arguments[0], arguments[1], key=arguments[2])

    async def test_a_cancel_ends_the_run_under_its_driver(self, run: Run, store: Store) -> None:
        async with driven(release, store) as (_, driving):
            await until_status(run, RunStatus.WAITING_APPROVAL)
            await run.cancel(requested_by="ada")
            await ended(driving)
        assert (await run.info()).status is RunStatus.CANCELLED
        assert await run.approvals() == []

    async def test_a_cancel_ends_a_run_that_nobody_drives_at_once(self, run: Run, store: Store) -> None:
        async with driven(release, store):
            await until_status(run, RunStatus.WAITING_APPROVAL)
        assert await run.cancel(requested_by="ada") is RequestStage.APPLIED
        info = await run.info()
        assert (info.status, info.driver) == (RunStatus.CANCELLED, None)
        assert [event.type for event in await all_events(run)][-1] == "RunCancelled"

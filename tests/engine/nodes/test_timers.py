"""A timer takes no slot, fires once and in time, and goes by its log: also after crashes, edits and clock changes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smithersd import Approval, Branch, Context, Parallel, Sequence, Store, Task, Timer, Workflow, workflow
from smithersd.core.log import events
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.engine import RunOptions, StartMode, request_cancel, start_run
from smithersd.errors import WorkflowError
from tests.support.clocks import StillClock
from tests.support.runs import crash_when, decide, driven, events_of, log, node, run, story, until_state
from tests.support.waiting import DEADLINE_S

HOUR_MS = 3_600_000
START = datetime.fromtimestamp(1_700_000_000, UTC)
"""Where a StillClock stands."""


class SteppedClock(StillClock):
    """A still clock that somebody puts: what it shows to people differs from what has passed."""

    ahead_ms = 0

    def wall_ms(self) -> int:
        return self.now_ms() + self.ahead_ms


def waiting(*arguments: Any, **options: Any) -> Workflow[Any]:
    """A workflow that waits, and then does something."""

    async def after() -> str:
        return "done"

    @workflow(name="waiting")
    def flow(_: Any) -> Any:
        return Sequence(Timer("t", *arguments, **options), Task("after", after))

    return flow


async def test_a_span_is_waited_for_and_what_comes_after_it_runs(store: Store) -> None:
    clock = StillClock()
    async with driven(waiting("1h"), store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        assert clock.next_due_ms == clock.now_ms() + HOUR_MS
        clock.pass_ms(HOUR_MS - 1)
        assert (await node(store, "t")).state is NodeState.WAITING_TIMER
        clock.pass_ms(1)
        assert await driving is RunStatus.FINISHED
    assert await story(store) == [
        "RunStarted",
        "TimerCreated t",
        "NodeWaitingTimer t",
        "RunStatusChanged",
        "TimerFired t",
        "NodeFinished t",
        "RunStatusChanged",
        "NodeStarted after",
        "NodeFinished after",
        "RunFinished",
    ]


async def test_a_time_that_has_passed_fires_at_once_and_says_by_how_much(store: Store) -> None:
    await run(waiting(until=START - timedelta(hours=1)), store, clock=StillClock())
    assert "NodeWaitingTimer t" not in await story(store)
    (fired,) = await events_of(store, events.TimerFired)
    assert fired.delay_ms == HOUR_MS


async def test_somebody_fires_a_timer_before_its_time(store: Store) -> None:
    clock = StillClock()
    async with driven(waiting("1h"), store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.pass_ms(HOUR_MS // 4)
        await store.submit_fire("r", "t", None, created_at_ms=clock.now_ms(), sender="ann")
        assert await driving is RunStatus.FINISHED
    (fired,) = await events_of(store, events.TimerFired)
    assert (fired.delay_ms, fired.fired_by) == (-HOUR_MS * 3 // 4, "ann")
    assert await store.requests("r") == []


async def test_a_timer_that_was_fired_while_nobody_drove_has_fired_when_somebody_does(store: Store) -> None:
    suspending = RunOptions(suspend_when_waiting=True)
    await run(waiting("1h"), store, clock=StillClock(), options=suspending)
    await store.submit_fire("r", "t", None, created_at_ms=0)
    assert (await run(waiting("1h"), store, clock=StillClock())).status is RunStatus.FINISHED


async def test_a_timer_that_was_fired_and_a_cancel_after_it_both_stand_in_the_log(store: Store) -> None:
    await run(waiting("1h"), store, clock=StillClock(), options=RunOptions(suspend_when_waiting=True))
    await store.submit_fire("r", "t", None, created_at_ms=0, sender="ann")
    await request_cancel(store, "r")
    (fired,) = await events_of(store, events.TimerFired)
    assert fired.fired_by == "ann"
    assert (await store.run("r")).status is RunStatus.CANCELLED


async def test_a_timer_fires_on_the_real_clock(store: Store) -> None:
    await run(waiting(0.2), store)
    (created,) = await events_of(store, events.TimerCreated)
    (at_ms,) = [one.timestamp_ms for one in await log(store) if isinstance(one.event, events.TimerFired)]
    assert at_ms >= created.fires_at_ms


async def test_a_timer_takes_no_slot(store: Store) -> None:
    async def work() -> None:
        pass

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Timer("one", "1h"), Timer("two", "2h"), Task("a", work))

    clock = StillClock()
    async with driven(flow, store, clock=clock, options=RunOptions(max_concurrency=1)):
        state = await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        assert state.nodes["a", 0].state is NodeState.FINISHED
        assert state.count(NodeState.WAITING_TIMER) == 2
        assert clock.next_due_ms == clock.now_ms() + HOUR_MS


async def test_a_run_that_waits_for_a_person_and_a_time_waits_for_the_person(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Timer("t", "1h"), Approval("ok"))

    clock = StillClock()
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        await decide(store, "ok")
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.jump()
        assert await driving is RunStatus.FINISHED


async def test_until_may_be_a_function_of_the_context_which_is_called_once(store: Store) -> None:
    calls: list[int] = []

    def until(ctx: Context[Any]) -> datetime:
        calls.append(ctx.output("hours"))
        return START + timedelta(hours=ctx.output("hours"))

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("hours", hours), Timer("t", until=until))

    async def hours() -> int:
        return 2

    clock = StillClock()
    await crash_when(flow, store, lambda engine: engine.state.status is RunStatus.WAITING_TIMER, clock=clock)
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.jump()
        assert await driving is RunStatus.FINISHED
    assert calls == [2]
    (created,) = await events_of(store, events.TimerCreated)
    assert created.fires_at_ms == round(START.timestamp() * 1000) + 2 * HOUR_MS


@pytest.mark.parametrize(
    ("until", "complaint"),
    [
        (lambda _: datetime(2030, 1, 1), "until of timer 't' is 2030-01-01T00:00:00, which has no time zone"),  # noqa: DTZ001
        (lambda _: 7, "until of timer 't' is 7"),
        (lambda ctx: ctx.input["nothing"], "until of timer 't' raised TypeError"),
    ],
)
async def test_a_function_that_returns_no_time_fails_the_run_and_names_the_timer(
    store: Store, until: Any, complaint: str
) -> None:
    state = await run(waiting(until=until), store)
    assert state.error is not None
    assert state.error.code == "WORKFLOW_ERROR"
    assert complaint in state.error.message


@pytest.mark.parametrize(
    ("arguments", "options", "complaint"),
    [
        ((), {}, "timer 't' has no time to wait for"),
        (("1h",), {"until": START}, "timer 't' has two times to wait for"),
        (("soon",), {}, "after of timer 't' is 'soon', which is not a duration"),
        ((-1,), {}, "after of timer 't' is -1"),
        ((), {"until": datetime(2030, 1, 1)}, "which has no time zone"),  # noqa: DTZ001
        ((), {"until": "tomorrow"}, "until of timer 't' is 'tomorrow'"),
    ],
)
def test_a_timer_without_a_time_is_refused_where_it_is_written(arguments: Any, options: Any, complaint: str) -> None:
    with pytest.raises(WorkflowError, match=complaint):
        Timer("t", *arguments, **options)


@pytest.mark.parametrize("how", ["crash", "suspension"])
async def test_a_resumption_waits_for_what_is_left(store: Store, how: str) -> None:
    clock = StillClock()
    flow = waiting("1h")
    if how == "crash":
        await crash_when(flow, store, lambda engine: engine.state.status is RunStatus.WAITING_TIMER, clock=clock)
    else:
        async with driven(flow, store, clock=clock):
            await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
    clock.pass_ms(HOUR_MS // 4)
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        assert clock.next_due_ms == clock.now_ms() + HOUR_MS * 3 // 4
        clock.jump()
        assert await driving is RunStatus.FINISHED
    assert len(await events_of(store, events.TimerCreated)) == 1


async def test_a_timer_that_was_due_while_nobody_drove_the_run_fires_at_once(store: Store) -> None:
    clock = StillClock()
    await crash_when(waiting("1h"), store, lambda e: e.state.status is RunStatus.WAITING_TIMER, clock=clock)
    clock.pass_ms(3 * HOUR_MS)
    assert (await run(waiting("1h"), store, clock=clock)).status is RunStatus.FINISHED
    (fired,) = await events_of(store, events.TimerFired)
    assert fired.delay_ms == 2 * HOUR_MS


async def test_an_edit_leaves_a_timer_alone_that_waits(store: Store) -> None:
    clock = StillClock()
    await crash_when(waiting("1h"), store, lambda e: e.state.status is RunStatus.WAITING_TIMER, clock=clock)
    async with driven(waiting(until=START + timedelta(days=9)), store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.pass_ms(HOUR_MS)
        assert await driving is RunStatus.FINISHED


async def test_a_cancel_closes_the_wait(store: Store) -> None:
    async with driven(waiting("1h"), store, clock=StillClock()) as (engine, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        engine.request_cancel()
        assert await driving is RunStatus.CANCELLED
    assert (await node(store, "t")).state is NodeState.CANCELLED
    assert not await events_of(store, events.TimerFired)


async def test_a_timer_that_the_tree_drops_never_fires(store: Store) -> None:
    async def work() -> str:
        return "x"

    @workflow
    def flow(ctx: Any) -> Any:
        timers = [] if ctx.latest("a") else [Timer("t", "1h")]
        return Parallel(*timers, Sequence(Timer("half", "30m"), Task("a", work)))

    clock = StillClock()
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.pass_ms(HOUR_MS // 2)
        assert await driving is RunStatus.FINISHED
    assert (await node(store, "t")).state is NodeState.CANCELLED


async def test_a_side_that_was_not_chosen_waits_for_nothing(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Branch("wait?", when=False, then=Timer("t", "1h"))

    state = await run(flow, store, clock=StillClock())
    assert state.status is RunStatus.FINISHED
    assert ("t", 0) not in state.nodes


@workflow
def span_and_date(_: Any) -> Any:
    return Parallel(Timer("span", "1h"), Timer("date", until=START + timedelta(hours=1)))


async def test_a_clock_that_is_put_forward_moves_a_date_and_not_a_span(store: Store) -> None:
    clock = SteppedClock()
    async with driven(span_and_date, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.ahead_ms = HOUR_MS // 2
        clock.pass_ms(HOUR_MS // 2)
        clock.ring_all()
        await until_state(store, lambda state: state.nodes["date", 0].state is NodeState.FINISHED)
        assert (await node(store, "span")).state is NodeState.WAITING_TIMER
        clock.pass_ms(HOUR_MS // 2)
        assert await driving is RunStatus.FINISHED


async def test_a_clock_that_is_put_back_delays_a_date_and_not_a_span(store: Store) -> None:
    clock = SteppedClock()
    async with driven(span_and_date, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.ahead_ms = -HOUR_MS
        clock.pass_ms(HOUR_MS)
        await until_state(store, lambda state: state.nodes["span", 0].state is NodeState.FINISHED)
        assert (await node(store, "date")).state is NodeState.WAITING_TIMER
        clock.pass_ms(HOUR_MS)
        assert await driving is RunStatus.FINISHED


async def test_from_takes_over_that_a_timer_has_fired(store: Store) -> None:
    async def breaks() -> None:
        raise ValueError

    def flow_of(*, last: Callable[..., Any]) -> Workflow[Any]:
        @workflow(name="flow")
        def flow(_: Any) -> Any:
            return Sequence(Timer("t", until=START - timedelta(hours=1)), Timer("u", "0s"), Task("last", last))

        return flow

    async def works() -> int:
        return 1

    clock = StillClock()
    await run(flow_of(last=breaks), store, clock=clock)
    engine = await start_run(
        flow_of(last=works), store=store, run_id="again", clock=clock, options=RunOptions(from_run="r")
    )
    async with asyncio.timeout(DEADLINE_S):
        assert await engine.drive() is RunStatus.FINISHED
    assert not await events_of(store, events.TimerCreated, "again")
    finished = await events_of(store, events.NodeFinished, "again")
    assert {one.node_id: one.reused_from for one in finished} == {"t": "r", "u": "r", "last": None}


async def test_from_waits_anew_for_a_timer_whose_time_was_made_of_what_is_made_anew(store: Store) -> None:
    async def work() -> int:
        return 1

    async def breaks() -> None:
        raise ValueError

    @workflow
    def flow(_: Any) -> Any:
        first = Task("first", work)
        return Sequence(
            first, Timer("t", until=lambda ctx: START - timedelta(hours=ctx.output(first))), Task("x", breaks)
        )

    clock = StillClock()
    await run(flow, store, clock=clock)
    engine = await start_run(
        flow,
        store=store,
        run_id="again",
        clock=clock,
        options=RunOptions(mode=StartMode.NEW, from_run="r", redo=("first",)),
    )
    async with asyncio.timeout(DEADLINE_S):
        await engine.drive()
    assert len(await events_of(store, events.TimerFired, "again")) == 1

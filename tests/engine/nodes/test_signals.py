"""A signal is kept until a node takes it, delivered in order and once; the wait takes no slot and goes by its log."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from smithersd import Approval, Parallel, Sequence, Signal, Store, Task, Timer, Workflow, task_context, workflow
from smithersd.core.log import events
from smithersd.core.log.events import SignalReceived
from smithersd.core.log.states import NodeState, RunStatus, WaitKind, WaitStatus
from smithersd.engine import RunOptions, StartMode, request_cancel, send_signal, start_run
from smithersd.errors import InvalidRequest, RunNotActive, TooManySignals, WorkflowError
from smithersd.limits import REQUESTS_PER_STEP_MAX
from tests.support.clocks import StillClock
from tests.support.runs import RUN_ID, crash_when, decide, driven, events_of, node, outputs, run, story, until_state
from tests.support.waiting import DEADLINE_S, until_async

HOUR_MS = 3_600_000


class Payment(BaseModel):
    amount: int


def waiting(*elements: Any) -> Workflow[Any]:
    """A workflow that waits for these in turn."""

    @workflow(name="waiting")
    def flow(_: Any) -> Any:
        return Sequence(*elements)

    return flow


async def send(store: Store, name: str, data: Any = None, *, key: str | None = None, by: str | None = None) -> None:
    await send_signal(store, RUN_ID, SignalReceived(name, data, 1_700_000_000_000, key, by))


def waits(state: Any) -> bool:
    return bool(state.status is RunStatus.WAITING_EVENT)


SUSPENDING = RunOptions(suspend_when_waiting=True)


async def test_a_signal_ends_the_wait_and_its_data_are_the_output(store: Store) -> None:
    flow = waiting(Signal("paid", Payment), Task("thank", str.upper, "ok"))
    async with driven(flow, store, clock=StillClock()) as (_, driving):
        await until_state(store, waits)
        await send(store, "paid", {"amount": 7}, by="ann")
        assert await driving is RunStatus.FINISHED
    assert (await outputs(store))["paid"] == {"amount": 7}
    assert await story(store) == [
        "RunStarted",
        "NodeWaitingEvent paid",
        "RunStatusChanged",
        "SignalReceived",
        "SignalDelivered paid",
        "NodeFinished paid",
        "RunStatusChanged",
        "NodeStarted thank",
        "NodeFinished thank",
        "RunFinished",
    ]
    assert await store.requests(RUN_ID) == []


async def test_signals_sent_before_anybody_waits_are_kept_and_delivered_in_order(store: Store) -> None:
    clock = StillClock()
    flow = waiting(Timer("t", "1h"), Signal("one", name="s"), Signal("two", name="s"), Signal("three", name="s"))
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        for number in (1, 2, 3):
            await send(store, "s", number)
        await until_state(store, lambda state: state.signals.count == 3)
        clock.jump()
        assert await driving is RunStatus.FINISHED
    assert {name: value for name, value in (await outputs(store)).items() if name != "t"} == {
        "one": 1,
        "two": 2,
        "three": 3,
    }


async def test_kept_signals_outlive_every_driver(store: Store) -> None:
    clock = StillClock()
    flow = waiting(Approval("ok"), Signal("s"), Signal("after", name="s"))
    async with driven(flow, store, clock=clock):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        await send(store, "s", "while driven")
        await until_state(store, lambda state: state.signals.count == 1)
    await send(store, "s", "while nobody drives")
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.signals.count == 2)
        await decide(store, "ok")
        assert await driving is RunStatus.FINISHED
    assert (await outputs(store))["s"] == "while driven"
    assert (await outputs(store))["after"] == "while nobody drives"


async def test_only_the_same_name_and_key_are_meant(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Signal("a", name="paid", key="1"), Signal("b", name="paid", key="2"), Signal("c", name="paid"))

    async with driven(flow, store, clock=StillClock()) as (_, driving):
        await until_state(store, waits)
        await send(store, "paid", "none")
        await send(store, "paid", "two", key="2")
        await send(store, "paid", "other", key="3")
        await send(store, "paid", "one", key="1")
        assert await driving is RunStatus.FINISHED
    assert await outputs(store) == {"a": "one", "b": "two", "c": "none"}


async def test_of_several_that_wait_for_the_same_the_one_that_waited_first_takes_it(store: Store) -> None:
    clock = StillClock()

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Sequence(Timer("t", "1h"), Signal("late", name="s")), Signal("early", name="s"))

    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, waits)
        clock.jump()
        await until_state(store, lambda state: state.count(NodeState.WAITING_EVENT) == 2)
        await send(store, "s", 1)
        await send(store, "s", 2)
        assert await driving is RunStatus.FINISHED
    assert (await outputs(store))["early"] == 1
    assert (await outputs(store))["late"] == 2


async def test_data_that_do_not_fit_are_refused_at_the_door_of_the_process_that_drives(store: Store) -> None:
    async with driven(waiting(Signal("paid", Payment)), store, clock=StillClock()):
        await until_state(store, waits)
        with pytest.raises(InvalidRequest, match="do not fit signal 'paid'") as refused:
            await send(store, "paid", {"amount": "much"})
    assert refused.value.details is not None
    assert [one["field"] for one in refused.value.details["problems"]] == ["data.amount"]
    assert not await events_of(store, events.SignalReceived)


async def test_data_that_nobody_could_check_are_refused_at_delivery_and_the_node_waits_on(store: Store) -> None:
    flow = waiting(Signal("paid", Payment))
    await run(flow, store, clock=StillClock(), options=SUSPENDING)
    await send(store, "paid", {"amount": "much"})
    async with driven(flow, store, clock=StillClock()) as (_, driving):

        async def is_refused() -> bool:
            return bool(await events_of(store, events.SignalRefused))

        await until_async(is_refused)
        (refused,) = await events_of(store, events.SignalRefused)
        assert refused.error.code == "INVALID_OUTPUT"
        await send(store, "paid", {"amount": 3})
        assert await driving is RunStatus.FINISHED
    assert await outputs(store) == {"paid": {"amount": 3}}


async def test_a_task_sends_its_own_run_a_signal_from_a_thread_and_from_the_loop(store: Store) -> None:
    def plain() -> None:
        task_context().signal("a", {"from": "thread"})

    async def asynchronous() -> None:
        task_context().signal("b", 2, key="k")

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Task("one", plain), Task("two", asynchronous), Signal("a"), Signal("b", key="k"))

    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert (await outputs(store))["a"] == {"from": "thread"}
    assert (await outputs(store))["b"] == 2
    assert {one.sent_by for one in await events_of(store, events.SignalReceived)} == {"one", "two"}


@pytest.mark.parametrize("arguments", [("",), ("x" * 201,), (7,), ("s", object()), ("s", "x" * 70_000)])
async def test_what_cannot_be_sent_is_refused_in_the_task_that_sends_it(store: Store, arguments: Any) -> None:
    async def sends() -> None:
        task_context().signal(*arguments)

    state = await run(waiting(Task("sends", sends)), store)
    assert state.error is not None
    assert "task 'sends'" in state.error.message


@pytest.mark.parametrize(
    ("on_timeout", "status", "node_state"),
    [
        ("fail", RunStatus.FAILED, NodeState.FAILED),
        ("skip", RunStatus.FINISHED, NodeState.SKIPPED),
        ("continue", RunStatus.FINISHED, NodeState.FINISHED),
    ],
)
async def test_after_its_timeout_it_does_what_the_author_said(
    store: Store, on_timeout: Any, status: RunStatus, node_state: NodeState
) -> None:
    clock = StillClock()
    signal = Signal("paid", Payment, timeout="1h", on_timeout=on_timeout)
    async with driven(waiting(signal, Task("after", str, signal)), store, clock=clock) as (_, driving):
        await until_state(store, waits)
        assert clock.next_due_ms == clock.now_ms() + HOUR_MS
        clock.jump()
        assert await driving is status
    record = await node(store, "paid")
    assert record.state is node_state
    if on_timeout == "fail":
        assert record.error is not None
        assert record.error.code == "SIGNAL_TIMEOUT"
    elif on_timeout == "continue":
        assert await outputs(store) == {"paid": None, "after": "None"}
    assert len(await events_of(store, events.SignalTimedOut)) == 1


async def test_a_signal_that_was_accepted_in_time_is_not_too_late(store: Store) -> None:
    clock = StillClock()
    flow = waiting(Signal("s", timeout="1h"))
    await run(flow, store, clock=clock, options=SUSPENDING)
    await send(store, "s", "in time")
    clock.pass_ms(2 * HOUR_MS)
    assert (await run(flow, store, clock=clock)).status is RunStatus.FINISHED
    assert await outputs(store) == {"s": "in time"}


@pytest.mark.parametrize("how", ["crash", "suspension"])
async def test_a_resumption_waits_for_what_is_left_of_the_timeout(store: Store, how: str) -> None:
    clock = StillClock()
    flow = waiting(Signal("s", timeout="1h", on_timeout="skip"))
    if how == "crash":
        await crash_when(flow, store, lambda engine: waits(engine.state), clock=clock)
    else:
        async with driven(flow, store, clock=clock):
            await until_state(store, waits)
    clock.pass_ms(HOUR_MS // 4)
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, waits)
        assert clock.next_due_ms == clock.now_ms() + HOUR_MS * 3 // 4
        clock.jump()
        assert await driving is RunStatus.FINISHED
    assert len(await events_of(store, events.NodeWaitingEvent)) == 1


async def test_an_edited_wait_takes_what_was_kept_under_its_new_name(store: Store) -> None:
    await run(waiting(Signal("s", name="old")), store, clock=StillClock(), options=SUSPENDING)
    await send(store, "new", "kept")
    async with driven(waiting(Signal("s", name="new")), store, clock=StillClock()) as (_, driving):
        async with asyncio.timeout(DEADLINE_S):
            assert await driving is RunStatus.FINISHED
    assert await outputs(store) == {"s": "kept"}
    assert [one.name for one in await events_of(store, events.NodeWaitingEvent)] == ["old", "new"]


async def test_a_signal_that_was_accepted_for_the_old_name_ends_the_edited_wait(store: Store) -> None:
    await run(waiting(Signal("s", name="old")), store, clock=StillClock(), options=SUSPENDING)
    await send(store, "old", "sent")
    assert (await run(waiting(Signal("s", name="new")), store, clock=StillClock())).status is RunStatus.FINISHED
    assert await outputs(store) == {"s": "sent"}


async def test_a_run_waits_for_a_person_before_a_signal_and_for_that_before_a_time(store: Store) -> None:
    clock = StillClock()

    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Timer("t", "1h"), Approval("ok"), Signal("s"))

    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        await decide(store, "ok")
        await until_state(store, waits)
        await send(store, "s")
        await until_state(store, lambda state: state.status is RunStatus.WAITING_TIMER)
        clock.jump()
        assert await driving is RunStatus.FINISHED


async def test_a_signal_takes_no_slot(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Parallel(Signal("one"), Signal("two"), Task("a", str, 1))

    async with driven(flow, store, clock=StillClock(), options=RunOptions(max_concurrency=1)):
        state = await until_state(store, waits)
        assert state.nodes["a", 0].state is NodeState.FINISHED


async def test_a_cancel_closes_the_wait_and_nothing_can_be_sent_after_it(store: Store) -> None:
    async with driven(waiting(Signal("s")), store, clock=StillClock()) as (engine, driving):
        await until_state(store, waits)
        engine.request_cancel()
        assert await driving is RunStatus.CANCELLED
    (wait,) = await store.waits(RUN_ID, WaitKind.SIGNAL)
    assert wait.status is WaitStatus.CANCELLED
    with pytest.raises(RunNotActive):
        await send(store, "s")


async def test_a_signal_that_was_accepted_before_a_cancel_stands_in_the_log(store: Store) -> None:
    await run(waiting(Signal("s")), store, clock=StillClock(), options=SUSPENDING)
    await send(store, "s", 7)
    await request_cancel(store, RUN_ID)
    (received,) = await events_of(store, events.SignalReceived)
    assert received.data == 7
    assert (await store.run(RUN_ID)).status is RunStatus.CANCELLED


async def test_a_node_that_the_tree_drops_leaves_the_signal_to_others(store: Store) -> None:
    async def work() -> str:
        return "x"

    @workflow
    def flow(ctx: Any) -> Any:
        first: list[Any] = [] if ctx.latest("a") else [Signal("s")]
        return Parallel(*first, Sequence(Timer("t", "1h"), Task("a", work), Signal("later", name="s")))

    clock = StillClock()
    async with driven(flow, store, clock=clock) as (_, driving):
        await until_state(store, waits)
        clock.jump()
        await until_state(store, lambda state: state.nodes["s", 0].state is NodeState.CANCELLED)
        await send(store, "s", 1)
        assert await driving is RunStatus.FINISHED
    assert (await outputs(store))["later"] == 1


async def test_from_takes_over_what_a_signal_has_brought(store: Store) -> None:
    async def breaks() -> None:
        raise ValueError

    async def works() -> int:
        return 1

    def flow_of(last: Any) -> Workflow[Any]:
        return waiting(Signal("s", int), Task("last", last))

    async with driven(flow_of(breaks), store, clock=StillClock()) as (_, driving):
        await until_state(store, waits)
        await send(store, "s", 5)
        assert await driving is RunStatus.FAILED
    for run_id, redo, expected in (("again", (), RunStatus.FINISHED), ("anew", ("s",), RunStatus.SUSPENDED)):
        options = RunOptions(mode=StartMode.NEW, from_run=RUN_ID, redo=redo, suspend_when_waiting=True)
        engine = await start_run(flow_of(works), store=store, run_id=run_id, clock=StillClock(), options=options)
        async with asyncio.timeout(DEADLINE_S):
            assert await engine.drive() is expected
    finished = await events_of(store, events.NodeFinished, "again")
    assert {one.node_id: one.reused_from for one in finished} == {"s": RUN_ID, "last": None}


async def test_more_signals_than_a_step_applies_are_all_received_in_order(store: Store) -> None:
    count = REQUESTS_PER_STEP_MAX * 2 + 1
    flow = waiting(Approval("ok"))
    await run(flow, store, clock=StillClock(), options=SUSPENDING)
    for number in range(count):
        await send(store, "s", number)
    async with driven(flow, store, clock=StillClock()):
        await until_state(store, lambda state: state.signals.count == count)
    assert [one.data for one in await events_of(store, events.SignalReceived)] == list(range(count))
    assert await store.requests(RUN_ID) == []


async def test_a_run_keeps_so_many_signals_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smithersd.store.requests.SIGNALS_KEPT_MAX", 3)
    flow = waiting(Approval("ok"), Signal("s"))
    async with driven(flow, store, clock=StillClock()):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
        for number in range(2):
            await send(store, "s", number)
        await until_state(store, lambda state: state.signals.count == 2)
    await send(store, "s", 2)
    with pytest.raises(TooManySignals, match="keeps 3 signals"):
        await send(store, "s", 3)


async def test_a_task_that_sends_more_than_is_kept_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smithersd.engine.engine.SIGNALS_KEPT_MAX", 3)

    async def sends() -> None:
        for number in range(4):
            task_context().signal("s", number)

    state = await run(waiting(Task("sends", sends)), store)
    assert state.error is not None
    assert state.error.code == "TOO_MANY_SIGNALS"
    assert state.signals.count == 3


async def test_a_key_may_be_made_of_an_output_and_is_made_once(store: Store) -> None:
    made: list[int] = []

    def key_of(number: int) -> str:
        made.append(number)
        return f"INV-{number}"

    @workflow
    def flow(_: Any) -> Any:
        number = Task("number", int, 7)
        return Sequence(number, Signal("paid", key=number.map(key_of)))

    await run(flow, store, clock=StillClock(), options=SUSPENDING)
    await send(store, "paid", "other", key="INV-8")
    await send(store, "paid", "this", key="INV-7")
    assert (await run(flow, store, clock=StillClock())).status is RunStatus.FINISHED
    assert (await outputs(store))["paid"] == "this"
    assert made == [7]


async def test_a_key_that_is_no_text_fails_the_run_and_names_the_signal(store: Store) -> None:
    @workflow
    def flow(_: Any) -> Any:
        number = Task("number", int, 7)
        return Sequence(number, Signal("paid", key=number))  # type: ignore[arg-type]  # it is what is tried

    state = await run(flow, store)
    assert state.error is not None
    assert "The key of signal 'paid' is 7, which is not a text" in state.error.message


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"name": ""}, "name of signal 's' is '', which is empty"),
        ({"name": "x" * 201}, "which has 201 characters"),
        ({"key": 7}, "key of signal 's' is 7, which is not a text"),
        ({"key": "a\nb"}, "holds characters that cannot be printed"),
        ({"timeout": 0}, "timeout of signal 's' is 0"),
        ({"on_timeout": "wait"}, "on_timeout of signal 's' is 'wait'"),
    ],
)
def test_a_signal_that_cannot_come_is_refused_where_it_is_written(options: Any, complaint: str) -> None:
    with pytest.raises(WorkflowError, match=complaint):
        Signal("s", **options)

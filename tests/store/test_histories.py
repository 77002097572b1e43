"""Whole runs while connections break, answers are lost and the server restarts: nothing is lost or done twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pydantic_core
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from smithersd import Approval, Parallel, Sequence, Task, Workflow
from smithersd.core.log.events import TERMINAL_TYPES
from smithersd.core.log.states import RunStatus, WaitKind, WaitStatus
from smithersd.engine import RunOptions, StartMode, start_run
from smithersd.engine.run import drive_to_end
from smithersd.errors import StoreUnavailable
from smithersd.store import Store, open_store
from smithersd.store.postgres import connection
from smithersd.store.records import EventRow, Topic
from tests.store.fault_proxy import Fault, fault_proxy
from tests.store.rows import decision
from tests.support.backends import PostgresBackend, postgres_database
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import DEADLINE_S

NODES = ("a", "b", "c", "d", "approval", "e", "f")
SILENCE_S = 0.3

Calls = Counter[str]


def release(calls: Calls) -> Workflow[Any]:
    def task(name: str) -> Task[Any]:
        async def work() -> str:
            calls[name] += 1
            return name.upper()

        return Task(name, work)

    return Workflow(
        lambda _: Sequence(
            task("a"),
            Parallel(task("b"), task("c"), task("d")),
            Approval("approval", title="Go?"),
            task("e"),
            task("f"),
        ),
        name="release",
    )


def chain(calls: Calls, length: int) -> Workflow[Any]:
    def task(name: str) -> Task[Any]:
        async def work() -> None:
            calls[name] += 1

        return Task(name, work)

    return Workflow(lambda _: Sequence(*(task(f"n{i}") for i in range(length))), name="chain")


async def drive(workflow: Workflow[Any], store: Store) -> RunStatus:
    """Start the run, and resume it whenever the store refuses at the start, as an operator would."""
    while True:
        try:
            engine = await start_run(
                workflow, store=store, run_id="run-1", options=RunOptions(mode=StartMode.EITHER, is_forced=True)
            )
            return await drive_to_end(engine)
        except StoreUnavailable:
            continue


@asynccontextmanager
async def somebody_who_approves(store: Store) -> AsyncIterator[None]:
    """Somebody at another store of the same database, who is woken by its notifications."""

    async def approve() -> None:
        woken = asyncio.Event()
        store.subscribe("run-1", Topic.EVENTS, woken.set)
        while not any(row.status is WaitStatus.OPEN for row in await store.waits("run-1", WaitKind.APPROVAL)):
            await woken.wait()
            woken.clear()
        await store.submit_decision(*decision())

    approving = asyncio.create_task(approve())
    try:
        yield
    finally:
        approving.cancel()
        await asyncio.gather(approving, return_exceptions=True)


async def log_of(store: Store) -> list[EventRow]:
    return await store.events("run-1", after_seq=-1)


def check_log(log: list[EventRow], calls: Calls) -> None:
    """The invariants that hold whatever happened."""
    assert [row.seq for row in log] == list(range(len(log))), "seq is dense"
    assert [row.type in TERMINAL_TYPES for row in log] == [False] * (len(log) - 1) + [True], "one end, and last"
    finished = Counter(row.node_id for row in log if row.type == "NodeFinished")
    assert set(finished.values()) == {1}, "no node finishes twice"
    interrupted = Counter(row.node_id for row in log if row.type == "NodeInterrupted")
    for node_id, count in calls.items():
        assert 1 <= count <= 1 + interrupted[node_id], "nothing runs twice but what was interrupted"


async def history(server: PostgresServer, faults: Mapping[int, Fault]) -> None:
    calls: Calls = Counter()
    async with postgres_database(server) as database, fault_proxy(server.port) as proxy:
        through = server.url(database.database, port=proxy.port) + "?connect_timeout=1"
        async with open_store(database.url) as clear, open_store(through) as store, somebody_who_approves(clear):
            for after, fault in faults.items():
                proxy.arm(fault, after)
            async with asyncio.timeout(DEADLINE_S):
                assert await drive(release(calls), store) is RunStatus.FINISHED
            check_log(await log_of(clear), calls)
            outputs = {row.node_id: pydantic_core.from_json(row.output) for row in await clear.outputs("run-1")}
            assert outputs.pop("approval")["approved"]
            assert outputs == {name: name.upper() for name in NODES if name != "approval"}
            assert await clear.requests("run-1") == []
            assert (await clear.run("run-1")).owner is None


@pytest.mark.slow
@given(faults=st.dictionaries(st.integers(0, 90), st.sampled_from(Fault), max_size=5))
@example(faults=dict.fromkeys(range(0, 90, 7), Fault.LOSE_ANSWER))
@example(faults=dict.fromkeys(range(3, 90, 5), Fault.CUT))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_a_run_over_a_bad_line_ends_as_it_would_have(postgres_server: PostgresServer, faults: dict[int, Fault]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "POSTGRES_ANSWER_TIMEOUT_S", SILENCE_S)
        asyncio.run(history(postgres_server, faults))


async def test_a_run_whose_server_restarts_goes_on_by_itself(
    own_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    calls: Calls = Counter()
    server = own_server
    database = PostgresBackend(server, "postgres")
    async with open_store(database.url) as store, asyncio.timeout(DEADLINE_S):
        engine = await start_run(chain(calls, 200), store=store, run_id="run-1")
        restarted = asyncio.Event()
        engine.observe(lambda recorded: restarted.set() if recorded[-1].seq > 100 else None)
        driving = asyncio.ensure_future(drive_to_end(engine))
        await restarted.wait()
        await asyncio.to_thread(server.stop)
        assert not driving.done()
        with pytest.raises(StoreUnavailable):
            await store.check()
        await asyncio.to_thread(server.start)
        assert await driving is RunStatus.FINISHED
        check_log(await log_of(store), calls)
    assert "the store is not available" in caplog.text
    assert "is available again" in caplog.text


async def test_ten_runs_share_a_store(postgres_server: PostgresServer) -> None:
    calls = [Counter[str]() for _ in range(10)]
    async with postgres_database(postgres_server) as database, open_store(database.url) as store:
        engines = [await start_run(chain(calls[i], 10), store=store, run_id=f"run-{i}") for i in range(len(calls))]
        ends = await asyncio.gather(*(drive_to_end(engine) for engine in engines))
        assert set(ends) == {RunStatus.FINISHED}
        assert await database.sessions() <= 3

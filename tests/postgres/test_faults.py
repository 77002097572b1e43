"""A database that goes away under a run: tasks go on, nothing starts, it is said, and nothing is lost or doubled."""

import asyncio
import http.client
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from smithersd.core.log.events import NodeFinished, NodeInterrupted, NodeStarted
from smithersd.limits import POSTGRES_ANSWER_TIMEOUT_S
from tests.postgres.host import Host
from tests.support.backends import PostgresBackend
from tests.support.network import Network
from tests.support.place import Process
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import until

STEPS = 60
FLOW = f"""
async def step(name):
    with open("effects", "a") as file: file.write(name + "\\\\n")
    await asyncio.sleep(0.01)

async def beat():
    while not Path("done").exists():
        with open("beats", "a") as file: file.write("\\\\n")
        await asyncio.sleep(0.02)

@workflow
def steps(ctx):
    return Parallel(
        Sequence(*(Task(f"step-{{n}}", step, f"step-{{n}}") for n in range({STEPS}))),
        Task("beat", beat),
    )
""".replace("\\\\n", "\\n")


@contextmanager
def living_run(host: Host) -> Iterator[Process]:
    """A served run with a task that works on and a chain of short ones; at the end it has finished, each step once."""
    host.write(FLOW)
    process = host.up("--run-id", "r", "--serve", "--port", "0")
    has_done(host, 5)
    yield process
    (host.folder / "done").touch()
    process.until_text("Run finished")
    assert process.request("/ready")[0] == 200
    assert host.lines("effects") == [f"step-{number}" for number in range(STEPS)]
    log = host.log("r")
    names = [one.event.node_id for one in log if isinstance(one.event, NodeFinished)]
    assert sorted(names) == sorted([*host.lines("effects"), "beat"])
    assert sum(isinstance(one.event, NodeStarted) for one in log) == STEPS + 1
    assert not any(isinstance(one.event, NodeInterrupted) for one in log)


def has_done(host: Host, count: int) -> None:
    until(lambda: len(host.lines("effects")) >= count, "more steps")


def waits_visibly(host: Host, process: Process) -> None:
    """Wait until it is said everywhere that the run waits, while its task works on."""
    process.until_text("the store is not available, the run waits for it")
    until(lambda: process.request("/ready")[0] == 503, "not ready")
    assert process.request("/health")[0] == 200
    beats, effects = len(host.lines("beats")), len(host.lines("effects"))
    until(lambda: len(host.lines("beats")) > beats + 5, "a task that goes on")
    assert len(host.lines("effects")) <= effects + 1


@pytest.fixture
def own_host(tmp_path: Path, own_server: PostgresServer) -> Iterator[Host]:
    """A host whose server the test may stop."""
    made = Host(tmp_path / "here", own_server.url("postgres"))
    yield made
    made.end()


def test_a_server_that_is_stopped_and_started(own_host: Host, own_server: PostgresServer) -> None:
    with living_run(own_host) as process:
        own_server.stop()
        waits_visibly(own_host, process)
        own_server.start()
        process.until_text("the store is available again")


def test_a_start_waits_for_a_server_that_is_away_where_the_process_is_to_live(
    own_host: Host, own_server: PostgresServer
) -> None:
    own_host.write("@workflow\ndef quick(ctx): return Task('one', int)\n")
    own_server.stop()
    process = own_host.up("--run-id", "r", "--resume-or-start")
    process.until_text("Waiting until the store answers.")
    detached = own_host.up("--run-id", "d", "-d")
    detached.until_text("Waiting until the store answers.")
    own_server.start()
    assert (process.wait(), detached.wait()) == (0, 0)
    assert "Run d is running in the background." in detached.text
    until(lambda: own_host.state("d").status.is_final, "the end of the one in the background")


def test_a_start_that_waits_for_a_server_can_be_stopped(own_host: Host, own_server: PostgresServer) -> None:
    own_host.write("@workflow\ndef quick(ctx): return Task('one', int)\n")
    own_server.stop()
    process = own_host.up("--run-id", "r", "--standby")
    process.until_text("Waiting until the store answers.")
    process.signal(signal.SIGTERM)
    assert process.wait() == 143
    own_server.start()


def test_a_start_by_hand_fails_at_once_when_the_server_is_away(own_host: Host, own_server: PostgresServer) -> None:
    own_host.write("@workflow\ndef quick(ctx): return Task('one', int)\n")
    own_server.stop()
    process = own_host.up("--run-id", "r")
    assert process.wait() == 1
    assert "refused" in process.text
    assert "waits" not in process.text
    own_server.start()


@pytest.mark.parametrize("path", ["/approve/approval", "/cancel"])
def test_a_client_hears_soon_that_the_way_to_the_store_is_silent(cut_off: Host, way: Network, path: str) -> None:
    with silent_way(cut_off, way) as process:
        hears_soon(process, "POST", path)
        way.mend()
        until(lambda: process.request(path, {})[0] == 200, "the same again")


def test_who_only_looks_hears_it_as_soon_however_many_look(cut_off: Host, way: Network) -> None:
    paths = ["/", "/nodes", "/nodes/approval", "/approvals", "/frames", "/events"]
    with silent_way(cut_off, way) as process, ThreadPoolExecutor(2 * len(paths)) as looking:
        for heard in [looking.submit(hears_soon, process, "GET", path) for path in 2 * paths]:
            heard.result()
        way.mend()
        until(lambda: process.request("/nodes")[0] == 200, "an answer")


@contextmanager
def silent_way(host: Host, way: Network) -> Iterator[Process]:
    """A served run that waits, and whose way to the store has fallen silent."""
    host.write("@workflow\ndef waiting(ctx): return Approval('approval', title='Go?')\n")
    process = host.up("--run-id", "r", "--serve", "--port", "0")
    process.until_text("smithers approve")
    assert process.request("/")[0] == 200
    way.fall_silent()
    yield process


def hears_soon(process: Process, method: str, path: str) -> None:
    """Ask, and be told before the store's own time is up that it does not answer."""
    timeout_s = POSTGRES_ANSWER_TIMEOUT_S - 3
    with closing(http.client.HTTPConnection(urlsplit(process.url).netloc, timeout=timeout_s)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == 503
        assert json.loads(answer.read())["error"]["code"] == "STORE_UNAVAILABLE"


def test_connections_that_are_cut_again_and_again(here: Host, database: PostgresBackend) -> None:
    with living_run(here):
        while len(here.lines("effects")) < STEPS:
            asyncio.run(database.end_sessions())
            steps = len(here.lines("effects"))
            has_done(here, min(steps + 4, STEPS))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_sessions_of_the_server_that_hang(here: Host, database: PostgresBackend) -> None:
    """While they hang they may hold the run's row, and the server cannot end them."""
    ours = "SELECT pid FROM pg_stat_activity WHERE datname = '{database}'"
    with living_run(here) as process:
        pids = [row[0] for row in asyncio.run(database.administer(ours))]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            waits_visibly(here, process)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("flags", [(), pytest.param(("-d",), marks=pytest.mark.slow)])
def test_a_start_that_the_database_refuses_is_one_clear_error(
    here: Host, database: PostgresBackend, flags: tuple[str, ...]
) -> None:
    here.write(FLOW)
    server = database.server
    for url, code, said in (
        (server.url(database.database, password="wr0ng"), 4, "password authentication failed"),
        (server.url("nowhere"), 4, "does not exist"),
    ):
        process = here.up("--run-id", "r", *flags, SMITHERS_STORE=url)
        assert process.wait() == code
        assert said in process.text
        assert len(process.text.splitlines()) == 2
        assert "wr0ng" not in process.text
    assert not (here.state_folder / "runs").exists() or not list((here.state_folder / "runs").rglob("pid"))

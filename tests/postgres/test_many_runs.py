"""Many runs on one database: what each of them costs, and that all of them end."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from smithersd import open_store
from smithersd.limits import LEASE_RENEWALS
from tests.postgres.host import Host
from tests.support.backends import PostgresBackend
from tests.support.flows import ASKING
from tests.support.network import Network
from tests.support.waiting import until

PROCESSES, RUNS_EACH, STEPS = 20, 10, 10
ROOT = Path(__file__).parents[2]

DRIVE = f"""
import asyncio, sys
from smithersd import Sequence, Task, Workflow, open_store, run_workflow

async def step():
    await asyncio.sleep(0.01)

chain = Workflow(lambda _: Sequence(*(Task(f"step-{{n}}", step) for n in range({STEPS}))), name="chain")

async def main(url, process):
    async with open_store(url) as store, asyncio.TaskGroup() as group:
        for number in range({RUNS_EACH}):
            group.create_task(run_workflow(chain, store=store, run_id=f"r-{{process}}-{{number}}"))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_hundred_runs_of_twenty_processes_all_end(database: PostgresBackend) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", DRIVE, database.url, str(number)], cwd=ROOT)
        for number in range(PROCESSES)
    ]
    sessions = 0
    with asyncio.Runner() as runner:
        while any(process.poll() is None for process in processes):
            sessions = max(sessions, runner.run(database.sessions()))
        assert {process.wait() for process in processes} == {0}
        assert PROCESSES < sessions <= 3 * PROCESSES
        assert runner.run(ends(database)) == Counter({("finished", None): PROCESSES * RUNS_EACH})
        finished = "SELECT count(*), count(DISTINCT (run_id, node_id)) FROM {events} WHERE type = 'NodeFinished'"
        assert runner.run(database.execute(finished)) == [(PROCESSES * RUNS_EACH * STEPS,) * 2]


async def ends(database: PostgresBackend) -> Counter[tuple[str, str | None]]:
    async with open_store(database.url) as store:
        runs = await store.runs(limit=2 * PROCESSES * RUNS_EACH)
    return Counter((run.status.value, run.owner) for run in runs)


def test_a_run_that_waits_costs_its_leases_renewal_and_nothing_else(cut_off: Host, way: Network) -> None:
    """A renewal is a transaction of one statement, and a look at the fence and the inbox before it."""
    cut_off.write(ASKING)
    lease_s, renewals = 0.6, 5
    cut_off.up("--run-id", "r", "--lease", str(lease_s)).until_text("smithers approve")
    until(lambda: any(b"pg_notify" in message for message in way.sent), "the listener's beginning")
    prepared = way.count(b"BEGIN") + 2
    until(lambda: way.count(b"BEGIN") >= prepared, "renewals that prepare their statements")
    begun_s, way.sent[:] = time.monotonic(), []
    until(lambda: way.count(b"BEGIN") >= renewals, "some renewals")
    sent, count = len(way.sent), way.count(b"BEGIN")
    assert count <= (time.monotonic() - begun_s) * LEASE_RENEWALS / lease_s + 1
    assert sent <= 5 * (count + 1)

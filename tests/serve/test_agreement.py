"""For random workflows and random decisions: the log, the routes and the tables say the same, all the way."""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd.engine import JumpingClock, start_run
from smithersd.serve import create_serve_app
from smithersd.store import open_store
from tests.properties.trees import SignalSpec, Spec, TaskSpec, leaves, trees, workflow_of
from tests.serve.agreement import check_agreement
from tests.serve.conftest import Client
from tests.serve.paths import path_of
from tests.support.streaming import stream


@settings(max_examples=25)
@given(spec=trees(may_vanish=True), seed=st.integers(0, 2**32))
def test_the_log_the_routes_and_the_tables_agree(spec: Spec, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_serve_and_decide(spec, random.Random(seed), Path(folder) / "runs.db"))


def _function_of(spec: TaskSpec) -> Any:
    tries = iter(range(spec.failures))

    async def work(*_: Any, **__: Any) -> str:
        if next(tries, None) is not None:
            raise ValueError("not yet")
        return spec.id

    return work


async def _serve_and_decide(spec: Spec, chance: random.Random, path: Path) -> None:
    source = workflow_of(spec, _function_of)
    async with open_store(path) as store:
        app = create_serve_app(source, store=store, run_id="run-1", abort=asyncio.Event())
        async with TestClient(TestServer(app)) as client:
            following = asyncio.create_task(stream(client))
            engine = await start_run(source, store=store, run_id="run-1", clock=JumpingClock())
            driving = asyncio.create_task(engine.drive())
            for signal in (leaf for leaf in leaves(spec) if isinstance(leaf, SignalSpec) and leaf.times_out is None):
                assert (await client.post(path_of("/signal", signal.id), json={"data": "x"})).status in {200, 409}
            while not driving.done():
                waiting = await (await client.get("/approvals")).json()
                if await _stands_still(client):
                    await check_agreement(client, store)
                if not waiting:
                    await asyncio.sleep(0.001)
                elif chance.random() < 0.05:
                    assert (await client.post("/cancel")).status in {200, 409}
                else:
                    await _decide(client, chance, chance.choice(waiting))
            await driving
            await check_agreement(client, store)
            rows = await store.events("run-1", after_seq=-1)
            assert [message.data for message in await following] == [row.payload for row in rows]


async def _stands_still(client: Client) -> bool:
    """Whether the run goes on only when somebody decides; what waits for a time ends at once by the jumping clock."""
    run = await (await client.get("/")).json()
    return run["status"] == "waiting-approval" and not {"waiting-timer", "waiting-event"} & run["summary"].keys()


async def _decide(client: Client, chance: random.Random, approval: dict[str, Any]) -> None:
    """What a person says is applied when they hear so, unless the run has ended over it."""
    verb = chance.choice(["/approve", "/approve", "/deny"])
    answer = await client.post(path_of(verb, approval["nodeId"]), json={"decidedBy": "anybody"})
    assert answer.status in {200, 409}
    if answer.status == 200:
        node = (await (await client.get(path_of("/nodes", approval["nodeId"]))).json())["iterations"][0]
        assert node["state"] != "waiting-approval"

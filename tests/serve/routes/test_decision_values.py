"""Whatever JSON a person's decision holds, the run takes it, goes on, and tells it as it came."""

import asyncio
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd import Approval, Context, Sequence, Task, workflow
from smithersd.core.log.states import RunStatus
from smithersd.elements import Decision, Element
from smithersd.engine import start_run
from smithersd.limits import JSON_DEPTH_MAX
from smithersd.serve import create_serve_app
from smithersd.store import Store, open_store
from tests.serve.agreement import check_agreement
from tests.support.streaming import stream
from tests.support.waiting import until_async

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


async def use(decision: Decision) -> Any:
    return decision.decision


@workflow
def asking(ctx: Context[Any]) -> Element[Any]:
    approval = Approval("approval")
    return Sequence(approval, Task("use", use, approval, output=Any))


async def decide(value: Any, **more: Any) -> None:
    """Approve with a value, let the run end, and look for the value wherever it shows."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(Path(folder) / "runs.db") as store:
            app = create_serve_app(asking, store=store, run_id="run-1", abort=asyncio.Event())
            async with TestClient(TestServer(app)) as client:
                engine = await start_run(asking, store=store, run_id="run-1")
                driving = asyncio.create_task(engine.drive())
                await until_async(partial(_is_asked, store))
                body = json.dumps({"decision": value} | more, ensure_ascii=False).encode()
                answer = await client.post("/approve/approval", data=body)
                assert answer.status == 200, await answer.text()
                assert await driving is RunStatus.FINISHED
                # The same again is the same, however it is written.
                assert (await client.post("/approve/approval", data=body)).status == 200
                await check_agreement(client, store)
                for node_id in ("approval", "use"):
                    (told,) = (await (await client.get(f"/nodes/{node_id}")).json())["iterations"]
                    assert (told["output"]["decision"] if node_id == "approval" else told["output"]) == value
                events = [json.loads(message.data) for message in await stream(client)]
                assert [one["decision"] for one in events if one["type"] == "ApprovalGranted"] == [value]


async def _is_asked(store: Store) -> bool:
    return (await store.run("run-1")).status is RunStatus.WAITING_APPROVAL


@settings(max_examples=40)
@given(values)
def test_any_value(value: Any) -> None:
    asyncio.run(decide(value))


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        2**63, -(2**63) - 1, 2**64, 10**999, -(10**998), 1e308, 5e-324, -0.0, 0.1, "\u2028\u2029\x7f", "\x00",
        {"": {"\x00": []}},
        {"type": "RunFinished", "runId": "other"}, "x" * 400_000, _nested(JSON_DEPTH_MAX - 1), {"__proto__": {"a": 1}},
    ],
    ids=lambda value: str(value)[:20].encode("unicode_escape").decode(),
)  # fmt: skip
def test_odd_values(value: Any) -> None:
    asyncio.run(decide(value))


@settings(max_examples=20)
@given(note=texts, by=texts)
def test_any_note_and_name(note: str, by: str) -> None:
    asyncio.run(decide(None, note=note.replace("\0", ""), decidedBy=by.replace("\0", "")))

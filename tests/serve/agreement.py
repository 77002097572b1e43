"""One truth: the log's fold, what the routes say and what the tables hold are the same."""

import json
from collections.abc import AsyncIterator
from typing import Any

from yarl import URL

from smithersd.core.log.states import NodeState
from smithersd.core.tree.frames import FrameTree
from smithersd.store import Store
from tests.serve.conftest import Client
from tests.serve.paths import path_of
from tests.support.invariants import check_run


async def check_agreement(client: Client, store: Store, run_id: str = "run-1", *, prefix: str = "") -> None:
    """Compare them all; the run stands still meanwhile."""
    state = await check_run(store, run_id)
    assert await _json(client, f"{prefix}/") == {
        "runId": run_id,
        "workflowName": state.workflow_name,
        "status": state.status,
        "startedAtMs": state.started_at_ms,
        "finishedAtMs": state.finished_at_ms,
        **({} if state.times_out_at_ms is None else {"timesOutAtMs": state.times_out_at_ms}),
        "summary": state.summary,
    }
    listed = await _json(client, f"{prefix}/nodes")
    said = {
        (n["nodeId"], n["iteration"]): (n["kind"], n["state"], n["attempt"] or 0, n["startedAtMs"], n["finishedAtMs"])
        for n in listed
    }
    assert said == {
        key: (n.kind, n.state, n.attempt, n.started_at_ms, n.finished_at_ms) for key, n in state.nodes.items()
    }
    waiting = {(one["nodeId"], one["iteration"]) for one in await _json(client, f"{prefix}/approvals")}
    assert waiting == {key for key, node in state.nodes.items() if node.state is NodeState.WAITING_APPROVAL}
    outputs = {(one.node_id, one.iteration): json.loads(one.output) for one in await store.outputs(run_id)}
    assert set(outputs) == {key for key, node in state.nodes.items() if node.has_output}
    for (node_id, iteration), output in outputs.items():
        url = path_of(f"{prefix}/nodes", node_id)
        (told,) = (await _json(client, url.with_query(iteration=iteration)))["iterations"]
        assert told["output"] == output
    frames = await _json(client, f"{prefix}/frames?limit=1000&afterFrameNo=0")
    assert frames == [frame async for frame in _whole_frames(store, run_id)]
    assert frames[::-1] == await _json(client, f"{prefix}/frames?limit=1000")
    known = [node["nodeId"] for node in listed]
    in_tree = [node_id for node_id in (frames[-1]["nodeIds"] if frames else []) if node_id in known]
    assert list(dict.fromkeys(known))[: len(in_tree)] == in_tree, "nodes do not stand in tree order"


async def _whole_frames(store: Store, run_id: str) -> AsyncIterator[dict[str, Any]]:
    tree = FrameTree()
    for row in await store.frames(run_id):
        tree.apply(row.scopes)
        yield {
            "runId": run_id,
            "frameNo": row.frame_no,
            "createdAtMs": row.created_at_ms,
            "hash": tree.hash,
            "tree": tree.tree(),
            "nodeIds": tree.node_ids(),
        }


async def _json(client: Client, url: str | URL) -> Any:
    response = await client.get(url)
    assert response.status == 200, await response.text()
    return await response.json()

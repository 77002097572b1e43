"""GET /nodes and GET /nodes/:nodeId: the units of state."""

from typing import Any

from aiohttp import web

from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.errors import InvalidRequest, NodeNotFound
from smithersd.limits import NODES_LIMIT_DEFAULT, NODES_LIMIT_MAX
from smithersd.query.json import attempt_json, error_json, node_json, to_json
from smithersd.query.tree_order import Ordered
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import json_answer, raw_answer
from smithersd.serve.context import RunContext, run_of
from smithersd.serve.queries import integer, integer_of, read_query


async def nodes(request: web.Request) -> web.Response:
    """List node iterations in tree order, a page at a time."""
    context = run_of(request)
    query = read_query(request, "limit", "after")
    limit = integer(query, "limit", minimum=1, maximum=NODES_LIMIT_MAX) or NODES_LIMIT_DEFAULT
    async with reading_in_answer_time(context.view) as run:
        ordered = await context.order.of(run)
        start = _start(ordered, query.get("after"))
        return json_answer([node_json(run.nodes[key]) for key in ordered.keys[start : start + limit]])


def _start(ordered: Ordered, after: str | None) -> int:
    if after is None:
        return 0
    node_id, _, iteration = after.rpartition("::")
    place = ordered.places.get((node_id, -1 if (number := integer_of(iteration)) is None else number))
    if place is None:
        raise InvalidRequest("The query parameter 'after' must be the last nodeId::iteration of a page.")
    return place + 1


async def node(request: web.Request) -> web.Response:
    """Return all details of one node: its iterations, their attempts and outputs."""
    context = run_of(request)
    query = read_query(request, "iteration")
    iteration = integer(query, "iteration", minimum=0)
    node_id = request.match_info["node_id"]
    async with reading_in_answer_time(context.view) as run:
        known = context.view.iterations(node_id)
        if iteration is not None and iteration not in known:
            raise NodeNotFound(f"The node {node_id!r} has no iteration {iteration}.")
        records = [run.nodes[node_id, each] for each in known if iteration in {None, each}]
        head = {"nodeId": node_id, "kind": records[-1].kind, "label": records[-1].label}
        # Copied while the state stands still; the outputs are read after that.
        found = [(record.key, record.has_output, _iteration_head(record)) for record in records]
    iterations = [await _with_output(context, *each) for each in found]
    return raw_answer(to_json(head)[:-1] + b',"iterations":[' + b",".join(iterations) + b"]}")


def _iteration_head(node: NodeRecord) -> dict[str, Any]:
    return {
        "iteration": node.iteration,
        "state": node.state,
        "attempts": [attempt_json(attempt) for attempt in node.attempts],
        "error": error_json(node.error),
    }


async def _with_output(context: RunContext, key: NodeKey, has_output: bool, head: dict[str, Any]) -> bytes:  # noqa: FBT001 - a row of `found`
    # The output is sent as the text that the store has: it is JSON already, and may be large.
    output = await context.store.output(context.run_id, *key) if has_output else None
    return to_json(head)[:-1] + b',"output":' + (output or "null").encode() + b"}"

"""GET /approvals: what waits for a person, with all that is needed to decide."""

from typing import Any

import pydantic_core
from aiohttp import web

from smithersd.config import SHOWN_BYTES_MAX
from smithersd.core.fold import GateRecord, NodeKey, RunState
from smithersd.core.states import NodeState
from smithersd.serve.answers import json_answer
from smithersd.serve.context import CONTEXT, RunContext
from smithersd.serve.queries import read_query
from smithersd.serve.view import RunView


async def approvals(request: web.Request) -> web.Response:
    """List the gates that wait, the one that has waited longest first."""
    context = request.app[CONTEXT]
    read_query(request)
    async with context.view.reading() as run:
        waiting = [(*key, gate, _shown_key(run, context.view, key, gate)) for key, gate in _waiting(run, context.view)]
    return json_answer([await _listed(context, *one) for one in waiting])


def _waiting(run: RunState, view: RunView) -> list[tuple[NodeKey, GateRecord]]:
    nodes = [run.nodes[key] for key in view.gates]
    return [
        (node.key, node.gate) for node in nodes if node.state is NodeState.WAITING_APPROVAL and node.gate is not None
    ]


def _shown_key(run: RunState, view: RunView, key: NodeKey, gate: GateRecord) -> NodeKey | None:
    """Whose output the gate shows: the same iteration's, else the latest that is there."""
    if gate.show is None:
        return None
    known = [iteration for iteration in view.known_iterations(gate.show) if run.nodes[gate.show, iteration].has_output]
    if not known:
        return None
    return (gate.show, key[1] if key[1] in known else known[-1])


async def _listed(
    context: RunContext, node_id: str, iteration: int, gate: GateRecord, shown_key: NodeKey | None
) -> dict[str, Any]:
    output = None if shown_key is None else await context.store.output(context.run_id, *shown_key)
    shown, is_cut = _cut(output)
    return {
        "nodeId": node_id,
        "iteration": iteration,
        "title": gate.title,
        "summary": gate.summary,
        "shown": shown,
        "shownTruncated": is_cut,
        "metadata": gate.metadata,
        "onDeny": gate.on_deny,
        "requestedAtMs": gate.requested_at_ms,
    }


def _cut(output: str | None) -> tuple[Any, bool]:
    """The output as a value, or the beginning of its JSON text when that is too long."""
    if output is None:
        return None, False
    text = output.encode()
    if len(text) <= SHOWN_BYTES_MAX:
        return pydantic_core.from_json(text), False
    return text[:SHOWN_BYTES_MAX].decode(errors="ignore"), True

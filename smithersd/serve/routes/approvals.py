"""GET /approvals: what waits for a person, with all that is needed to decide."""

from aiohttp import web

from smithersd.core.log.fold import ApprovalRecord, NodeKey, RunState
from smithersd.core.log.states import NodeState
from smithersd.query.json import Json, question_json, shown_key
from smithersd.query.questions import question_of
from smithersd.query.run_view import RunView
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.context import CONTEXT, RunContext
from smithersd.serve.queries import read_query


async def approvals(request: web.Request) -> web.Response:
    """List the gates that wait, the one that has waited longest first."""
    context = request.app[CONTEXT]
    read_query(request)
    async with reading_in_answer_time(context.view) as run:
        waiting = [
            (key, gate, shown_key(run, gate, key[1], context.view.known_iterations(gate.show or "")))
            for key, gate in _waiting(run, context.view)
        ]
    return json_answer([await _told(context, *one) for one in waiting])


def _waiting(run: RunState, view: RunView) -> list[tuple[NodeKey, ApprovalRecord]]:
    nodes = [run.nodes[key] for key in view.gates]
    return [
        (node.key, node.gate) for node in nodes if node.state is NodeState.WAITING_APPROVAL and node.gate is not None
    ]


async def _told(context: RunContext, key: NodeKey, gate: ApprovalRecord, shown: NodeKey | None) -> Json:
    output = None if shown is None else await context.store.output(context.run_id, *shown)
    return question_json(question_of(key, gate, output))

"""GET /approvals: what waits for a person, with all that is needed to decide."""

from aiohttp import web

from smithersd.core.log.fold import ApprovalRecord, NodeKey, RunState
from smithersd.core.log.states import NodeState
from smithersd.query.approvals import read_approval
from smithersd.query.json import approval_json
from smithersd.query.run_view import RunView
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.context import CONTEXT
from smithersd.serve.queries import read_query


async def approvals(request: web.Request) -> web.Response:
    """List the approvals that wait, the one that has waited longest first."""
    context = request.app[CONTEXT]
    read_query(request)
    async with reading_in_answer_time(context.view) as run:
        waiting = _waiting(run, context.view)
    found = [await read_approval(context.store, context.run_id, key, record) for key, record in waiting]
    return json_answer([approval_json(approval) for approval in found])


def _waiting(run: RunState, view: RunView) -> list[tuple[NodeKey, ApprovalRecord]]:
    nodes = [run.nodes[key] for key in view.gates]
    return [
        (node.key, node.gate) for node in nodes if node.state is NodeState.WAITING_APPROVAL and node.gate is not None
    ]

"""GET /approvals: the pending approvals, with all that is needed to decide."""

from aiohttp import web

from smithersd.query.approvals import read_approval
from smithersd.query.json import approval_json
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.context import run_of
from smithersd.serve.queries import read_query


async def approvals(request: web.Request) -> web.Response:
    """List the pending approvals, the one that has waited longest first."""
    context = run_of(request)
    read_query(request)
    async with reading_in_answer_time(context.view) as run:
        waiting = [(node.key, node.approval) for node in run.awaiting_approval if node.approval is not None]
    found = [await read_approval(context.store, context.run_id, key, record) for key, record in waiting]
    return json_answer([approval_json(approval) for approval in found])

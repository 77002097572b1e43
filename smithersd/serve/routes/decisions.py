"""POST /approve/:nodeId and POST /deny/:nodeId: a person's decision."""

from typing import Any

from aiohttp import web

from smithersd.core.json_text import json_text
from smithersd.engine import wait_until_applied
from smithersd.serve.answer_time import within_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.bodies import DecisionBody, read_body
from smithersd.serve.context import run_of
from smithersd.serve.queries import read_query
from smithersd.store.records import Decision


async def approve(request: web.Request) -> web.Response:
    """Approve what a node asks; the run goes on at once."""
    return await _decide(request, is_approval=True)


async def deny(request: web.Request) -> web.Response:
    """Deny what a node asks; what becomes of the run is the approval's on_deny."""
    return await _decide(request, is_approval=False)


async def _decide(request: web.Request, *, is_approval: bool) -> web.Response:
    context = run_of(request)
    read_query(request)
    body = await read_body(request, DecisionBody)
    node_id = request.match_info["node_id"]
    decision = Decision(
        run_id=context.run_id,
        node_id=node_id,
        is_approval=is_approval,
        iteration=body.iteration,
        note=body.note,
        decided_by=body.decided_by,
        decision=_json_or_none(body.decision),
        created_at_ms=context.clock.now_ms(),
    )
    async with within_answer_time():
        async with context.view.reading():
            context.view.iterations(node_id)  # NodeNotFound, before the store sees an id of any shape
        submitted = await context.store.submit_decision(decision)
    await wait_until_applied(context.store, submitted)
    return json_answer({"runId": context.run_id})


def _json_or_none(decision: Any) -> str | None:
    return None if decision is None else json_text(decision)

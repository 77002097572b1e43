"""POST /approve/:nodeId, /deny/:nodeId, /fire/:nodeId and /signal/:name: requests that end a wait."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from smithersd.core.log.events import SignalReceived
from smithersd.elements import Decision
from smithersd.engine import send_signal, wait_until_applied
from smithersd.serve.answer_time import within_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.bodies import DecisionBody, FireBody, SignalBody, read_body
from smithersd.serve.context import RunContext, run_of
from smithersd.serve.queries import read_query
from smithersd.store.records import Submitted


async def approve(request: web.Request) -> web.Response:
    """Approve a node's question; the run continues at once."""
    return await _decide(request, is_approval=True)


async def deny(request: web.Request) -> web.Response:
    """Deny a node's question; the approval's `on_deny` says how the run continues."""
    return await _decide(request, is_approval=False)


async def fire(request: web.Request) -> web.Response:
    """Fire a timer before its due time; the run continues at once."""
    context = run_of(request)
    read_query(request)
    body = await read_body(request, FireBody)
    node_id = request.match_info["node_id"]
    return await _submit(
        context,
        node_id,
        lambda: context.store.submit_fire(
            context.run_id, node_id, body.iteration, created_at_ms=context.clock.now_ms(), sender=body.fired_by
        ),
    )


async def signal(request: web.Request) -> web.Response:
    """Send the run a signal; it is kept until a node takes it."""
    context = run_of(request)
    read_query(request)
    body = await read_body(request, SignalBody)
    sent = SignalReceived(
        request.match_info["name"], body.data, context.clock.now_ms(), body.correlation_id, body.sent_by
    )
    async with within_answer_time():
        submitted = await send_signal(context.store, context.run_id, sent)
    await wait_until_applied(context.store, submitted)
    return json_answer({"runId": context.run_id})


async def _decide(request: web.Request, *, is_approval: bool) -> web.Response:
    context = run_of(request)
    read_query(request)
    body = await read_body(request, DecisionBody)
    node_id = request.match_info["node_id"]
    decision = Decision(
        approved=is_approval,
        note=body.note,
        decided_by=body.decided_by,
        decided_at_ms=context.clock.now_ms(),
        decision=body.decision,
    )
    return await _submit(
        context,
        node_id,
        lambda: context.store.submit_decision(context.run_id, node_id, body.iteration, decision),
    )


async def _submit(context: RunContext, node_id: str, submit: Callable[[], Awaitable[Submitted]]) -> web.Response:
    """Submit a request about a node; respond when it is durable and, if an engine drives the run, applied."""
    async with within_answer_time():
        async with context.view.reading():
            context.view.iterations(node_id)  # raises NodeNotFound before an arbitrary id reaches the store
        submitted = await submit()
    await wait_until_applied(context.store, submitted)
    return json_answer({"runId": context.run_id})

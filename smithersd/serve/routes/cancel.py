"""POST /cancel: end the run, whoever drives it, also when nobody does."""

from aiohttp import web

from smithersd.engine import request_cancel, wait_until_applied
from smithersd.serve.answer_time import within_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.bodies import NoBody, read_body
from smithersd.serve.context import run_of
from smithersd.serve.queries import read_query


async def cancel(request: web.Request) -> web.Response:
    """Cancel the run; answer once the request is durable and, where a live engine holds the run, applied."""
    context = run_of(request)
    read_query(request)
    await read_body(request, NoBody)
    async with within_answer_time():
        await context.store.run(context.run_id)  # RunNotFound in time: once begun, the cancel is not broken off
    peer = f"{request.remote or 'a client'} (POST /cancel)"
    submitted = await request_cancel(context.store, context.run_id, by=peer, clock=context.clock)
    context.abort.set()
    await wait_until_applied(context.store, submitted)
    return json_answer({"runId": context.run_id})

"""GET /waits: everything that the run waits for, and what ends each wait."""

from aiohttp import web

from smithersd.query.json import wait_json
from smithersd.query.waits import pending_waits
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.context import run_of
from smithersd.serve.queries import read_query


async def waits(request: web.Request) -> web.Response:
    """List what the run waits for, the longest waiting first."""
    context = run_of(request)
    read_query(request)
    async with reading_in_answer_time(context.view) as run:
        found = pending_waits(run)
    return json_answer([wait_json(wait) for wait in found])

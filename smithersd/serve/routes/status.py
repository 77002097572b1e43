"""GET /: the status of the run."""

from aiohttp import web

from smithersd.query.json import run_json
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import json_answer
from smithersd.serve.context import run_of
from smithersd.serve.queries import read_query


async def status(request: web.Request) -> web.Response:
    """Return the run's status and how many node iterations are in each state."""
    read_query(request)
    async with reading_in_answer_time(run_of(request).view) as run:
        return json_answer(run_json(run))

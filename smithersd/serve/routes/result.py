"""GET /result: what the run has come to."""

from aiohttp import web

from smithersd.query.json import to_json
from smithersd.query.result import read_result
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import raw_answer
from smithersd.serve.context import run_of
from smithersd.serve.queries import read_query


async def result(request: web.Request) -> web.Response:
    """Return the run's result, and the node whose output it is."""
    context = run_of(request)
    read_query(request)
    async with reading_in_answer_time(context.view) as run:
        text = await read_result(context.store, run)
        assert run.result is not None
        head = dict(zip(("nodeId", "iteration"), run.result, strict=True))
    # The output is sent as the text that the store has: it is JSON already, and may be large.
    return raw_answer(to_json(head)[:-1] + b',"result":' + text.encode() + b"}")

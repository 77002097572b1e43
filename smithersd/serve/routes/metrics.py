"""GET /metrics: Prometheus text, or OpenMetrics for a scraper that asks for it."""

from contextlib import suppress

from aiohttp import hdrs, web

from smithersd.errors import RunNotFound, StoreUnavailable
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import EVERY_ANSWER
from smithersd.serve.context import run_of


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics as of now; if the store does not answer, as of its last answer."""
    context = run_of(request)
    with suppress(RunNotFound, StoreUnavailable):
        async with reading_in_answer_time(context.view):
            pass
    body, content_type = context.metrics.exposition(request.headers.get(hdrs.ACCEPT, ""))
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, **EVERY_ANSWER})

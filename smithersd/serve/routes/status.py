"""GET /: how the run stands."""

from aiohttp import web

from smithersd.serve.answers import json_answer
from smithersd.serve.context import CONTEXT
from smithersd.serve.queries import read_query


async def status(request: web.Request) -> web.Response:
    """Tell the run's status and how many node iterations are in which state."""
    read_query(request)
    async with request.app[CONTEXT].view.reading() as run:
        return json_answer(
            {
                "runId": run.run_id,
                "workflowName": run.workflow_name,
                "status": run.status,
                "startedAtMs": run.started_at_ms,
                "finishedAtMs": run.finished_at_ms,
                "summary": run.summary,
            }
        )

"""The check that a request is meant for the served run.

A port outlives a run: yesterday's page, script or chat message would decide in today's run. So a request may name its
run by a header, a query parameter or a field of its body, and every authorized response names the served run.
"""

from urllib.parse import quote

from aiohttp import web

from smithersd.serve.errors import RunMismatch

RUN_HEADER = "Smithers-Run"
RUN_PARAMETER = "runId"
"""The query parameter of every route, and the field of every body."""


def run_header(run_id: str) -> str:
    """Return a run id as the header carries it, percent-encoded: run ids need not be ASCII."""
    return quote(run_id, safe="")


def check_meant_run(request: web.Request, run_id: str) -> None:
    """Check that the header and the query of a request name no other run than the served one.

    Raises:
        RunMismatch: one of them names another run; the message names both.
    """
    for name in request.headers.getall(RUN_HEADER, ()):
        if name.strip() not in {run_id, run_header(run_id)}:
            _refuse(name, run_id)
    for name in request.query.getall(RUN_PARAMETER, ()):
        check_named_run(name, run_id)


def check_named_run(named: str | None, run_id: str) -> None:
    """Check that a run id, if there is one, is that of the served run.

    Raises:
        RunMismatch: it is another run's; the message names both.
    """
    if named is not None and named != run_id:
        _refuse(named, run_id)


def _refuse(named: str, run_id: str) -> None:
    raise RunMismatch(
        f"This server serves the run {run_id!r}, but the request is meant for {named[:200]!r}.",
        remedy="Send it to the server of that run; `smithers ps` shows its URL.",
        details={"runId": run_id},
    )

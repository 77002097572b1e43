"""The check that a request is meant for the served run.

A port outlives a run: yesterday's page, script or chat message would decide in today's run. So a request may name its
run, by a header, a query parameter or a field of its body, and every authorized response names the run that it is of.
"""

from urllib.parse import quote

from aiohttp import web

from smithersd.serve.errors import RunMismatch

RUN_HEADER = "Smithers-Run"
RUN_PARAMETER = "runId"
"""The query parameter of every route, and the field of every body."""


def run_header(run_id: str) -> str:
    """Return a run id as the header carries it; an app may serve runs whose ids are not ASCII."""
    return quote(run_id, safe="")


def check_meant_run(request: web.Request, run_id: str) -> None:
    """Refuse a request whose header or query names another run than the one that is served.

    Raises:
        RunMismatch: naming both.
    """
    for name in request.headers.getall(RUN_HEADER, ()):
        if name.strip() not in {run_id, run_header(run_id)}:
            _refuse(name, run_id)
    for name in request.query.getall(RUN_PARAMETER, ()):
        check_named_run(name, run_id)


def check_named_run(named: str | None, run_id: str) -> None:
    """Refuse the name of another run; None names none.

    Raises:
        RunMismatch: naming both.
    """
    if named is not None and named != run_id:
        _refuse(named, run_id)


def _refuse(named: str, run_id: str) -> None:
    raise RunMismatch(
        f"This is the run {run_id!r}, and the request is meant for {named[:200]!r}.",
        remedy="Send it to the server of that run; `smithers ps` shows its URL.",
        details={"runId": run_id},
    )

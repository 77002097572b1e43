"""The middlewares around every route, from the outside in: count, turn errors into JSON, check access.

So every response, whatever went wrong, is counted and has the error envelope and the headers.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_urldispatcher import AbstractResource

from smithersd.loggers import logger
from smithersd.serve.auth import RequestGuard, is_preflight
from smithersd.serve.context import run_of
from smithersd.serve.errors import error_answer
from smithersd.serve.run_match import RUN_HEADER, check_meant_run, run_header
from smithersd.serve.traffic import UNMATCHED, Traffic

READY_ROUTE = "/ready"
OPEN_ROUTES = frozenset({"/health", READY_ROUTE})
"""Routes that need no token: probes have none, and these routes reveal nothing."""

_access_log = logger("smithersd.access")
_CLIENT_CLOSED_REQUEST = 499
_IS_AUTHORIZED: web.RequestKey[bool] = web.RequestKey("IS_AUTHORIZED", bool)


def middlewares(*, guard: RequestGuard, traffic: Traffic, labels: Mapping[AbstractResource, str]) -> list[Middleware]:
    """Return an app's middlewares, the outermost first; `labels` names the route of each resource."""

    def route_of(request: web.Request) -> str:
        resource = request.match_info.route.resource
        return UNMATCHED if resource is None else labels.get(resource, UNMATCHED)

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        now_s = asyncio.get_running_loop().time
        started_at_s = now_s()
        status, is_whole = _CLIENT_CLOSED_REQUEST, False
        try:
            response = await handler(request)
            status, is_whole = response.status, isinstance(response, web.Response)
            return response
        finally:
            duration_s = now_s() - started_at_s
            traffic.count(request.method, route_of(request), status, duration_s if is_whole else None)
            _access_log.debug("%s %s %d %.1f ms", request.method, request.rel_url.raw_path, status, duration_s * 1000)

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = await handler(request)
        except ConnectionError:
            # The client has disconnected: nobody would receive a response.
            raise
        except Exception as error:  # noqa: BLE001 - the one place where unexpected errors are answered and logged
            answer = error_answer(error)
        if _IS_AUTHORIZED in request and not answer.prepared:
            answer.headers[RUN_HEADER] = run_header(run_of(request).run_id)
        return answer

    @web.middleware
    async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
        if route_of(request) not in OPEN_ROUTES and not is_preflight(request):
            guard.check(request)
            request[_IS_AUTHORIZED] = True
            check_meant_run(request, run_of(request).run_id)
        return await handler(request)

    return [count, answer_errors, check_access]

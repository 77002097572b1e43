"""create_serve_app: one run as an aiohttp application, mountable in any other."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_urldispatcher import AbstractResource

from smithersd.engine import SystemClock
from smithersd.feed import Feed
from smithersd.loggers import logger
from smithersd.query.frame_history import FrameHistory
from smithersd.query.run_view import RunView
from smithersd.query.stored_log import StoredLog
from smithersd.query.tree_order import TreeOrder
from smithersd.serve.abort import watch_abort
from smithersd.serve.auth import RequestGuard, token_of
from smithersd.serve.context import CONTEXT, RunContext
from smithersd.serve.metrics import Metrics
from smithersd.serve.middlewares import middlewares
from smithersd.serve.routes.approvals import approvals
from smithersd.serve.routes.cancel import cancel
from smithersd.serve.routes.events import events
from smithersd.serve.routes.frames import frames
from smithersd.serve.routes.health import health, ready
from smithersd.serve.routes.metrics import metrics as metrics_route
from smithersd.serve.routes.nodes import node, nodes
from smithersd.serve.routes.requests import approve, deny, fire, signal
from smithersd.serve.routes.result import result
from smithersd.serve.routes.status import status
from smithersd.serve.routes.waits import waits
from smithersd.serve.streams.sse import encode_event
from smithersd.serve.streams.streams import Streams
from smithersd.store import Store

_log = logger(__name__)


class NamedWorkflow(Protocol):
    """What the app needs of a workflow, which engines run and the app does not."""

    @property
    def name(self) -> str:
        """The name of the workflow."""


def create_serve_app(
    workflow: NamedWorkflow,
    *,
    store: Store,
    run_id: str,
    abort: asyncio.Event,
    auth_token: str | None = None,
    metrics: bool = True,
    insecure: bool = False,
    allowed_hosts: Iterable[str] = (),
) -> web.Application:
    """Create the application that serves one run.

    It serves the run whoever drives it: an engine in this process, in another one, or none at present; it may be made
    before the run exists. It can be mounted with `add_subapp` and keeps its limits, errors and guard there too.

    Args:
        workflow: the workflow of the run.
        store: an open store; it must stay open as long as the app runs.
        run_id: the run to serve.
        abort: setting it cancels the run; POST /cancel sets it.
        auth_token: the token that clients must send; None takes SMITHERS_API_KEY, and without that there is no auth.
        metrics: whether the app has the route /metrics.
        insecure: without a token, answer other machines and any Host too.
        allowed_hosts: without a token, names beside the loopback ones under which clients may reach the app.

    Raises:
        InvalidRequest: the token is empty or no header can carry it, or an allowed host is not a host name.
    """
    guard = RequestGuard(token=token_of(auth_token), is_insecure=insecure, allowed_hosts=allowed_hosts)
    context = _context(workflow, store, run_id, abort, guard)
    labels: dict[AbstractResource, str] = {}
    app = web.Application(middlewares=middlewares(guard=guard, traffic=context.metrics.traffic, labels=labels))
    app[CONTEXT] = context
    labels.update(_add_routes(app, has_metrics=metrics))
    context.metrics.traffic.create_series(_methods_and_routes(app, labels))
    app.cleanup_ctx.append(watch_abort)
    app.on_shutdown.append(_end_streams)
    _log.debug("Made an app for the run %s of the workflow %s.", run_id, workflow.name)
    return app


def _context(
    workflow: NamedWorkflow, store: Store, run_id: str, abort: asyncio.Event, guard: RequestGuard
) -> RunContext:
    streams = Streams()
    metrics = Metrics(run_id=run_id, workflow_name=workflow.name, open_streams=lambda: streams.count)
    view = RunView(store, run_id, observe=metrics.observe)
    return RunContext(
        run_id=run_id,
        store=store,
        abort=abort,
        clock=SystemClock(),
        guard=guard,
        view=view,
        order=TreeOrder(store, run_id),
        frames=FrameHistory(store, run_id),
        feed=Feed(StoredLog(store, run_id), encode=encode_event),
        streams=streams,
        metrics=metrics,
    )


def _add_routes(app: web.Application, *, has_metrics: bool) -> dict[AbstractResource, str]:
    """Add the routes; return the name of each resource, which stays the same wherever the app is mounted.

    A node's id is the rest of its path, slashes included: proxies decode %2F to a slash.
    """
    getters: list[tuple[str, Handler]] = [
        ("/health", health),
        ("/ready", ready),
        ("/", status),
        ("/frames", frames),
        ("/nodes", nodes),
        (r"/nodes/{node_id:.+}", node),
        ("/result", result),
        ("/approvals", approvals),
        ("/waits", waits),
    ]
    if has_metrics:
        getters.append(("/metrics", metrics_route))
    posters: list[tuple[str, Handler]] = [
        (r"/approve/{node_id:.+}", approve),
        (r"/deny/{node_id:.+}", deny),
        (r"/fire/{node_id:.+}", fire),
        (r"/signal/{name:.+}", signal),
        ("/cancel", cancel),
    ]
    router = app.router
    for path, handler in getters:
        router.add_get(path, handler, expect_handler=_expect_nothing)
    for path, handler in posters:
        router.add_post(path, handler, expect_handler=_expect_nothing)
    router.add_get("/events", events, allow_head=False, expect_handler=_expect_nothing)
    labels = {resource: resource.canonical for resource in router.resources()}
    # Under a prefix, GET /prefix means the same as GET /prefix/.
    labels[router.add_get("", status).resource] = "/"  # type: ignore[index]  # a route that was added has one
    return labels


def _methods_and_routes(app: web.Application, labels: dict[AbstractResource, str]) -> Sequence[tuple[str, str]]:
    return [(route.method, labels[route.resource]) for route in app.router.routes() if route.resource is not None]


async def _expect_nothing(_: web.Request) -> None:
    """Leave `Expect: 100-continue` to the code that reads the body, so that a refused body is never requested."""


async def _end_streams(app: web.Application) -> None:
    context = app[CONTEXT]
    context.feed.drain()
    await context.streams.close()

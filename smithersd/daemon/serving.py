"""The server beside a run, and a warning where other machines can reach it without a token."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from smithersd.daemon.options import ServeOptions
from smithersd.serve import create_serve_app, serving
from smithersd.serve.auth import is_loopback, token_of
from smithersd.serve.errors import NotReady
from smithersd.serve.middlewares import OPEN_ROUTES, READY_ROUTE
from smithersd.store import Store


@dataclass(frozen=True, slots=True)
class _WorkflowName:
    """What the app needs of a workflow."""

    name: str


def check_serving(options: ServeOptions) -> None:
    """Check the options before anything is created.

    Raises:
        InvalidRequest: the token is empty, or no header can carry it.
    """
    token_of(options.auth_token)


@asynccontextmanager
async def served(
    options: ServeOptions,
    *,
    sockets: Sequence[socket.socket],
    workflow_name: str,
    store: Store,
    run_id: str,
    abort: asyncio.Event,
    warn: Callable[[str], None],
    is_settled: asyncio.Event | None = None,
) -> AsyncIterator[str]:
    """Serve a run, which need not have started, while the `with` lasts; yield the URL.

    Listening `sockets` replace host and port. `warn` is called if other machines can reach the server without a token.
    Until `is_settled` is set (the run has started, or this process stands by) requests wait; probes do not, and /ready
    answers 503.

    Raises:
        UserError: the port is in use, the host is not one of this machine, or the token or an allowed host is invalid.
    """
    app = create_serve_app(
        _WorkflowName(workflow_name),
        store=store,
        run_id=run_id,
        abort=abort,
        auth_token=options.auth_token,
        metrics=options.has_metrics,
        insecure=options.is_insecure,
        allowed_hosts=options.allowed_hosts,
    )
    if is_settled is not None:
        app.middlewares.append(_waiting_for(is_settled))
    async with serving(app, options.host, options.port, sockets=sockets) as server:
        for host in _public_hosts(options.host, sockets) if options.auth_token is None else ():
            warn(_exposure(host, options))
        try:
            yield server.url
        finally:
            if is_settled is not None:
                is_settled.set()


def _waiting_for(is_settled: asyncio.Event) -> Middleware:
    """Return a middleware that holds requests until the run has started: with socket activation they come before."""

    @web.middleware
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_ROUTES:
            await is_settled.wait()
        elif request.path == READY_ROUTE and not is_settled.is_set():
            raise NotReady("The run has not started yet.")
        return await handler(request)

    return wait


def _public_hosts(host: str, sockets: Sequence[socket.socket]) -> list[str]:
    internet_sockets = [listener for listener in sockets if listener.family != socket.AF_UNIX]
    hosts = [listener.getsockname()[0] for listener in internet_sockets] if sockets else [host]
    return [host for host in hosts if not is_loopback(host)]


def _exposure(host: str, options: ServeOptions) -> str:
    lines = [f"Listening on {host} without a token."]
    if options.is_insecure:
        lines += [
            "ANYONE WHO REACHES THIS ADDRESS CAN READ, APPROVE AND CANCEL THE RUN.",
            "Set a token with --auth-token (or SMITHERS_API_KEY).",
        ]
    else:
        lines += [
            "Requests from other machines are answered with 403.",
            "Set a token with --auth-token (or SMITHERS_API_KEY) to allow other machines, or allow all: --insecure.",
        ]
    return "\n".join(f"!! {line}" for line in lines)

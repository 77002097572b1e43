"""Serve an app on a host and port, or on sockets that listen already, and stop promptly."""

import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from smithersd.limits import SERVER_STOP_S
from smithersd.loggers import logger
from smithersd.posix.process.forks import keep_from_forks
from smithersd.serve.transport.connections import Connections
from smithersd.serve.transport.sockets import listen, prepare_listener

_log = logger(__name__)

_CONNECT_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - "every address" is not an address to connect to


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a running server as seen from this machine; `port` is 0 for a unix socket."""

    url: str
    port: int


@asynccontextmanager
async def serving(
    app: web.Application,
    host: str,
    port: int,
    *,
    sockets: Sequence[socket.socket] = (),
    connections: Connections | None = None,
) -> AsyncIterator[Server]:
    """Serve an app while the `with` lasts; at its end, streams get the last events and are closed.

    Requests on connections that were accepted until then are answered.

    Args:
        app: the application, as a rule one of `create_serve_app`.
        host: a name or address of this machine; "0.0.0.0" and "::" stand for all of its addresses.
        port: the port, 0 for a free one.
        sockets: sockets that listen already (socket activation); host and port are not used then.
        connections: the limits of its connections; by default those of the process.

    Raises:
        UserError: the port is in use or may not be used, or the host is not one of this machine.
    """
    is_queue_kept = bool(sockets)  # whoever gave them to us gives them to the next process
    sockets = sockets or listen(host, port)
    for listener in sockets:
        prepare_listener(listener)
    connections = connections or Connections()
    app.middlewares.insert(0, connections.note_request)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=SERVER_STOP_S)

    def descriptors() -> list[int]:
        return _descriptors(sockets, runner)

    keep_from_forks(descriptors)
    try:
        await runner.setup()
        assert runner.server is not None
        connections.listen(sockets, runner.server)
        server = _server(sockets[0])
        _log.info("Listening on %s.", server.url)
        yield server
    finally:
        try:
            await connections.close(is_queue_kept=is_queue_kept)
        finally:
            await runner.cleanup()
            for listener in sockets:
                listener.close()


def _server(listener: socket.socket) -> Server:
    if listener.family == socket.AF_UNIX:
        return Server(f"unix:{listener.getsockname()}", 0)
    host, port = listener.getsockname()[:2]
    host = _CONNECT_HOSTS.get(host, host)
    return Server(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", port)


def _descriptors(sockets: Iterable[socket.socket], runner: web.AppRunner) -> list[int]:
    """Return the descriptors of the listening sockets and of all clients' sockets."""
    found = [listener.fileno() for listener in sockets]
    connections = [] if runner.server is None else runner.server.connections
    for connection in connections:
        client = None if connection.transport is None else connection.transport.get_extra_info("socket")
        if client is not None:
            found.append(client.fileno())
    return [descriptor for descriptor in found if descriptor >= 0]

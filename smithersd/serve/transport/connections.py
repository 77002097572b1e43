"""The connections of a server: which are accepted, which are closed to make room, how malformed requests are answered.

Anybody who reaches the port can open connections without a token, so they must not harm the run: there are fewer of
them than the process may open files, one without a request is closed after a while, and where all are in use the one
that has been idle for the longest is closed for a new one.
"""

import asyncio
import errno
import resource
import socket
from collections.abc import Sequence
from itertools import islice
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from smithersd.errors import InvalidRequest
from smithersd.limits import (
    ACCEPT_PAUSE_S,
    BODY_LINGER_S,
    CONNECTIONS_MAX,
    FILES_RESERVED,
    IDLE_TIMEOUT_S,
    REQUEST_ARRIVAL_S,
    SWEEP_S,
    WRITE_TIMEOUT_S,
)
from smithersd.loggers import logger
from smithersd.serve.errors import error_answer
from smithersd.serve.limited_log import LimitedLog
from smithersd.serve.transport.sockets import BACKLOG
from smithersd.serve.transport.write_progress import WriteProgress

_log = logger(__name__)

_ACCEPTS_PER_TURN = 64
"""How many connections are accepted before the event loop handles anything else."""
_ARRIVAL_POLL_S = 0.01
"""How often, while a server stops, to look whether the requests that it waits for have arrived."""
_IDLE_CONSIDERED = 16
"""How many idle connections to look at for one whose client has taken all its responses."""
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_CLIENT_ERRORS = (aiohttp.http_exceptions.HttpProcessingError, web.RequestPayloadError, aiohttp.ClientPayloadError)


def connections_max() -> int:
    """Return how many connections are allowed, so that the engine can still open the files that it needs."""
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files_max == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, files_max - min(FILES_RESERVED, files_max // 2))


class Connections:
    """Accepts connections from listening sockets and hands them to a web server.

    `note_request` has to be the outermost middleware of its application.
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        arrival_s: float = REQUEST_ARRIVAL_S,
    ) -> None:
        """Allow `limit` connections at once, by default `connections_max()`."""
        self._limit = connections_max() if limit is None else limit
        self.idle_timeout_s = idle_timeout_s
        self.is_closing = False
        self._arrival_s = arrival_s
        self._server: web.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._connecting: set[asyncio.Task[Any]] = set()
        self._open: set[_Connection] = set()
        self._next_sweep: asyncio.TimerHandle | None = None
        self._idle: dict[_Connection, None] = {}  # the one that has been idle for the longest comes first
        self.accept_warnings = LimitedLog(_log)
        self.request_warnings = LimitedLog(_log)

    def listen(self, listeners: Sequence[socket.socket], server: web.Server) -> None:
        """Accept connections from now on."""
        self._server = server
        for listener in listeners:
            self._listeners.append(listener)
            self._loop.add_reader(listener, self._accept, listener)
        self._sweep()

    async def close(self, *, is_queue_kept: bool) -> None:
        """Accept no more connections, and wait until the requests of the open ones have arrived.

        The web server sees to the responses. A connection that has had its response is closed at once; one without a
        request so far has `arrival_s` to send it. Connections in the queue of a listening socket are left there if
        `is_queue_kept`, for the process that takes over the socket; else they are accepted before it is closed.
        """
        self.is_closing = True
        if self._next_sweep is not None:
            self._next_sweep.cancel()
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            self._loop.remove_reader(listener)
            if not is_queue_kept:
                for _ in range(0, BACKLOG, _ACCEPTS_PER_TURN):
                    self._accept(listener)
            listener.close()
        await self._wait_for_requests()

    async def _wait_for_requests(self) -> None:
        deadline_s = self._loop.time() + self._arrival_s
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for _ in range(2):  # one turn of the loop finds what is in the sockets' buffers, the next one reads it
            await asyncio.sleep(0)
        for connection in [connection for connection in self._idle if not connection.is_request_due]:
            connection.force_close()
        while any(connection.is_request_due for connection in self._open) and self._loop.time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_ARRIVAL_POLL_S)  # aiohttp has no event for a complete body

    def add(self, connection: "_Connection") -> None:
        """Add a new connection, which has no request yet."""
        self._open.add(connection)
        self._idle[connection] = None

    def discard(self, connection: "_Connection") -> None:
        """Forget a connection that has ended or is to end."""
        self._open.discard(connection)
        self._idle.pop(connection, None)

    @web.middleware
    async def note_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note that a connection is busy with a request, and that it is idle afterwards."""
        connection = request.protocol
        assert isinstance(connection, _Connection)
        self._idle.pop(connection, None)
        connection.begin_request(request)
        try:
            return await handler(request)
        finally:
            if connection in self._open:
                self._idle[connection] = None

    def _sweep(self) -> None:
        """Abort closed connections whose clients do not read the last response: nothing else would end them."""
        for connection in [connection for connection in self._open if connection.is_stuck_closing]:
            connection.abort()
        self._next_sweep = self._loop.call_later(SWEEP_S, self._sweep)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                client, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listener, error)
                return
            if self._has_room():
                self._start_connecting(client)
            else:
                client.close()
                self.accept_warnings.warn(f"All {self._limit} connections are in use; a new one was closed.")

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """Accept nothing for ACCEPT_PAUSE_S seconds: what fails now would fail again at once."""
        what = "no more files can be opened" if error.errno in _SHORTAGES else str(error.strerror)
        self.accept_warnings.warn(f"New connections have to wait: {what}.")
        self._loop.remove_reader(listener)
        self._loop.call_later(ACCEPT_PAUSE_S, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _has_room(self) -> bool:
        """Return whether there is room for another connection; if need be, close an idle one for it."""
        if len(self._open) + len(self._connecting) < self._limit:
            return True
        idle = list(islice(self._idle, _IDLE_CONSIDERED))
        if not idle:
            return False
        idlest = next((connection for connection in idle if connection.has_sent_all), idle[0])
        self.discard(idlest)
        idlest.abort()
        return True

    def _start_connecting(self, client: socket.socket) -> None:
        client.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        task = self._loop.create_task(self._connect(client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._new_connection, client)
        except OSError as error:
            client.close()
            self.accept_warnings.warn(f"A connection could not be accepted: {error}.")

    def _new_connection(self) -> "_Connection":
        assert self._server is not None
        return _Connection(self, self._server, self._loop)


class _Connection(web.RequestHandler):
    """One client's connection: aiohttp's protocol handler with our limits and errors."""

    def __init__(self, connections: Connections, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None for "no access log"
            keepalive_timeout=connections.idle_timeout_s,
            lingering_time=BODY_LINGER_S,
            auto_decompress=False,
        )
        self._connections = connections
        self._close_progress: WriteProgress | None = None
        self._is_head_due = True
        self._body: aiohttp.StreamReader | None = None

    @property
    def is_request_due(self) -> bool:
        """Whether a request is expected: the first one, or the rest of one that has begun to arrive."""
        return self._is_head_due or (self._body is not None and not self._body.is_eof())

    def begin_request(self, request: web.Request) -> None:
        """Note that the head of a request has arrived."""
        self._is_head_due = False
        self._body = request.content

    @property
    def has_sent_all(self) -> bool:
        """Whether all responses have left this process."""
        return self._raw_transport.get_write_buffer_size() == 0

    @property
    def is_stuck_closing(self) -> bool:
        """Whether it was closed but the client does not read the last response; ask regularly."""
        if self._close_progress is None and self._raw_transport.is_closing():
            self._close_progress = WriteProgress(self._raw_transport, timeout_s=WRITE_TIMEOUT_S)
        return self._close_progress is not None and self._close_progress.is_stuck()

    def abort(self) -> None:
        """End the connection at once."""
        self._raw_transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw_transport = cast(
            "asyncio.Transport", transport
        )  # aiohttp's own `transport` is gone once it is closed
        super().connection_made(transport)
        self._connections.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._body is None or self._body.is_eof():  # then this belongs to the next request
            self._is_head_due = True
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write a response for as long as the client reads any of it; while the server stops, close afterwards."""
        if self._connections.is_closing:
            resp.force_close()
        try:
            progress = WriteProgress(self._raw_transport, timeout_s=WRITE_TIMEOUT_S)
            return await progress.wait(super().finish_response(request, resp, start_time))
        except TimeoutError:
            raise ConnectionError("the client does not read its response") from None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's own signature
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer malformed HTTP, and errors outside the application, with the same envelope as all errors."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has already begun")
        if isinstance(exc, _CLIENT_ERRORS) or not isinstance(exc, Exception):
            self._log_malformed(exc)
            exc = InvalidRequest("The request is not valid HTTP.")
        answer = error_answer(exc)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log an error; for a client's mistake one line, without a traceback, is enough."""
        if isinstance(kw.get("exc_info"), _CLIENT_ERRORS):
            self._log_malformed(kw["exc_info"])
        else:
            super().log_exception(*args, **kw)

    def _log_malformed(self, error: BaseException | None) -> None:
        peer = self.peername
        who = f" from {peer[0]}" if isinstance(peer, tuple) else ""
        self._connections.request_warnings.warn(f"A malformed request{who}: {type(error).__name__}.")

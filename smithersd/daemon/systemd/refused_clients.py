"""Answer the clients that wait at a socket of systemd when the process cannot start.

Otherwise the service manager would find their connections still waiting and start the service again at once, until
after a second the unit's start limit is reached.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from smithersd.errors import UserError

_BODY = b'{"error":{"code":"NOT_READY","message":"The run cannot start; see the log of its service."}}'
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nRetry-After: 30\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


@contextmanager
def refusing_clients(sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Answer the clients that wait at these listeners with 503 if the `with` raises a UserError."""
    try:
        yield
    except UserError:
        for listener in sockets:
            with suppress(OSError):  # no client is left, or the server has closed the listener already
                while True:
                    _refuse(listener.accept()[0])
        raise


def _refuse(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        connection.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        with suppress(BlockingIOError):
            connection.recv(1 << 16)  # unread bytes would make the kernel reset the connection
        connection.sendall(_ANSWER)

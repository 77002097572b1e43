"""Who waits at a passed socket when the process cannot begin is answered, and waits no more.

Else the service manager would find the same connection still waiting, start the service again at once, and again, until
it gives the unit up within a second.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from smithersd.errors import UserError

_BODY = b'{"error":{"code":"NOT_READY","message":"The run cannot begin; its service\'s log says why."}}'
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nRetry-After: 30\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


@contextmanager
def turning_away(sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Turn away who waits at these listeners, where what is in the `with` raises a UserError."""
    try:
        yield
    except UserError:
        for listener in sockets:
            with suppress(OSError):  # nobody waits any more, or the server has closed it already
                while True:
                    _turn_away(listener.accept()[0])
        raise


def _turn_away(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        connection.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        with suppress(BlockingIOError):
            connection.recv(1 << 16)  # what is left unread would make the kernel throw the answer away
        connection.sendall(_ANSWER)

"""The sockets that a server listens on, and clear errors where they cannot be made."""

import errno
import os
import socket

from smithersd.errors import InvalidRequest, UserError
from smithersd.limits import PORT_MAX, SEND_BUFFER_BYTES

BACKLOG = 1024
"""Connections that may wait to be accepted: all clients of a restarted server reconnect within a second."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host; port 0 takes a free port, the same one on each address.

    Raises:
        UserError: the port is in use or may not be used, or the host is not one of this machine.
    """
    if not 0 <= port <= PORT_MAX:
        raise InvalidRequest(f"{port} is not a port number.", remedy=f"Use 1 to {PORT_MAX}, or 0 for a free port.")
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            bound_port = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bound(family, (address, bound_port)))
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise _explained(error, host, port) from error
    return sockets


def prepare_listener(listener: socket.socket) -> None:
    """Set the options that every client's socket inherits, and listen without blocking.

    The send buffer limits what the kernel holds for a client, so that one that never reads is noticed sooner.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.listen(BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature


def _addresses(host: str, port: int) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(host or "invalid.", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of an earlier process may still linger on the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)  # often only this reports that the port is in use
    except BaseException:
        listener.close()
        raise
    return listener


def _explained(error: OSError, host: str, port: int) -> UserError:
    match error:
        case socket.gaierror():
            return UserError(f"The host {host!r} cannot be found.", remedy="Give a name or an address with --host.")
        case OSError(errno=errno.EADDRINUSE):
            return UserError(
                f"Port {port} on {host} is in use by another process.",
                remedy="Choose another with --port; --port 0 takes a free one.",
            )
        case OSError(errno=errno.EACCES):
            return UserError(
                f"This user may not listen on port {port} of {host}.", remedy="Choose one above 1023 with --port."
            )
        case OSError(errno=errno.EADDRNOTAVAIL):
            return UserError(f"{host} is not an address of this machine.", remedy="Give one with --host, or 0.0.0.0.")
        case _:
            return UserError(f"Cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}.")

"""Notifications to the service manager that started this process: sd_notify(3), one datagram each."""

import socket
from contextlib import suppress


class Notifier:
    """Sends to the address of NOTIFY_SOCKET.

    A manager that does not listen must not stop a run, so nothing is raised. Each message has a socket of its own, so
    that a forked child inherits none.
    """

    def __init__(self, address: str) -> None:
        # An "@" stands for the zero byte of an abstract address.
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def send(self, *assignments: str) -> None:
        """Send "NAME=value" lines, which take effect together."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            sender.sendto("\n".join(assignments).encode(), self._address)

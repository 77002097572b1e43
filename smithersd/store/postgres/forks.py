"""Close the sockets of our connections in forked children.

While a worker of a task's process pool has one of them open, the server does not see that we have ended, and a
transaction of ours would hold its locks. In the child they are made to point nowhere, the numbers stay taken.
"""

import os
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet


class HasSocket(Protocol):
    """A connection with a socket."""

    @property
    def descriptor(self) -> int | None:
        """The descriptor of the socket while it is open."""


_open: WeakSet[HasSocket] = WeakSet()


def remember(connection: HasSocket) -> None:
    """Close this connection's socket in every child that is forked from now on."""
    _open.add(connection)


def _close_in_child() -> None:
    if not _open:
        return
    nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for connection in list(_open):
        with suppress(OSError):
            if connection.descriptor is not None:
                os.dup2(nowhere, connection.descriptor, inheritable=False)
    os.close(nowhere)


os.register_at_fork(after_in_child=_close_in_child)

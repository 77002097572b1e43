"""What a forked child must not keep: the sockets of our connections.

While a worker of a task's process pool has one of them open, the server does not see that we have ended, and a
transaction of ours would hold its locks. In the child they are made to point nowhere, the numbers stay taken.
"""

import os
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet


class HasSocket(Protocol):
    """Something that has a socket open."""

    @property
    def descriptor(self) -> int | None:
        """The number of its socket while that is open."""


_open: WeakSet[HasSocket] = WeakSet()


def remember(connection: HasSocket) -> None:
    """Take this connection's socket from every child that is forked from now on."""
    _open.add(connection)


def _let_go_in_child() -> None:
    if not _open:
        return
    nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for connection in list(_open):
        with suppress(OSError):
            if connection.descriptor is not None:
                os.dup2(nowhere, connection.descriptor, inheritable=False)
    os.close(nowhere)


os.register_at_fork(after_in_child=_let_go_in_child)

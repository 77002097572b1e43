"""The interface between the store and a database: what a backend has to provide."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from smithersd.store.statements import Transaction

T = TypeVar("T")

OnChange = Callable[[str | None], None]
"""Called with the id of a run that has changed, or with None if any run may have changed."""


class Database(Protocol):
    """A database that runs transactions."""

    @property
    def url(self) -> str:
        """The store URL of the database, without a password."""

    async def write(self, transaction: Transaction[T]) -> T:
        """Run a transaction that may write, and return its value once it is durable.

        An exception that the transaction raises rolls it back and is raised here. Cancelling the caller does not stop a
        transaction that has started.

        Raises:
            StoreUnavailable: the database refused for a reason that may be temporary. Nothing was written, or all of
                it if the database's reply was lost. Running the same transaction again is safe: each transaction of the
                store recognises its own effect.
        """

    def write_from_thread(self, transaction: Transaction[T]) -> T:
        """Do the same as `write` without the event loop, which may be blocked; block the calling thread meanwhile.

        Raises:
            StoreUnavailable: as with `write`.
        """

    async def read(self, transaction: Transaction[T]) -> T:
        """Run a transaction that only reads; it does not wait for writes.

        Raises:
            StoreUnavailable: the database refused for a reason that may be temporary.
        """

    async def check_place(self) -> None:
        """Check that the open database is still the one at its address; a file can be deleted or replaced.

        Raises:
            StoreUnavailable: it is not, so that anything written would be lost.
        """

    def watch(self, on_change: OnChange | None, followed: frozenset[str] = frozenset()) -> None:
        """Call `on_change` in the event loop's thread when another process has written; None stops that.

        Requests and new leases are reported for every run, events at least for the runs in `followed`. Another call
        replaces both arguments.
        """

    async def back_up(self, target: Path) -> None:
        """Write a consistent copy of the database to a file that must not exist, while others write.

        Raises:
            UserError: the file exists or cannot be written, or the database is backed up with its own tools.
            StoreUnavailable: the database refused for a reason that may be temporary.
        """

    async def close(self) -> None:
        """Close the database after the running transactions have ended."""

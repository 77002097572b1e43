"""The seam between the store and a database: all that a backend has to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from smithersd.store.statements import Transaction

T = TypeVar("T")

OnChange = Callable[[str | None], None]
"""Is told which run has something new; None where that is not known: any."""


class Database(Protocol):
    """A database that runs transactions."""

    @property
    def url(self) -> str:
        """Where it is, as a store URL without a password."""

    async def write(self, transaction: Transaction[T]) -> T:
        """Run a transaction that may write, and return its value once it is durable.

        What the transaction raises rolls it back and is raised here. A caller that is cancelled does not stop it: once
        begun it comes to its own end.

        Raises:
            StoreUnavailable: the database refused for a reason that may pass. Nothing was written, or, where the
                answer was lost on its way, all of it: whoever asks again finds out, since every transaction of the
                store knows its own effect when it sees it.
        """

    def write_from_thread(self, transaction: Transaction[T]) -> T:
        """Do as `write` does without the event loop, which may be held, and wait in the calling thread.

        Raises:
            StoreUnavailable: as with `write`.
        """

    async def read(self, transaction: Transaction[T]) -> T:
        """Run a transaction that only reads; it never waits behind writes.

        Raises:
            StoreUnavailable: the database refused for a reason that may pass.
        """

    async def check_place(self) -> None:
        """Return while what is open is what stands at its address; a file can be deleted or replaced meanwhile.

        Raises:
            StoreUnavailable: it is not; what would be written would be lost.
        """

    def watch(self, on_change: OnChange | None, followed: frozenset[str] = frozenset()) -> None:
        """Call `on_change` in the event loop's thread when somebody else has written; None to stop watching.

        Of requests and take-overs it is told for every run, of events at least for the runs in `followed`. Called
        again, what was said before is replaced.
        """

    async def back_up(self, target: Path) -> None:
        """Write one state of all of it to a file that must not exist, while others write.

        Raises:
            UserError: the file exists or cannot be written, or the database has a way of its own.
            StoreUnavailable: the database refused for a reason that may pass.
        """

    async def close(self) -> None:
        """Let go of the database; transactions under way come to their end first."""

"""The runs that this process drives, and the state of their engines.

The serve app asks here for `/ready`: a process that drives its run is ready only while the engine's loop runs and the
store accepts its writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from smithersd.errors import InvalidOutput


class Driver(Protocol):
    """What other parts of the process may ask an engine."""

    @property
    def problem(self) -> str | None:
        """Why the run makes no progress at present, in a few words, or None."""

    def signal_problem(self, name: str, key: str | None, data: str) -> InvalidOutput | None:
        """Return why the node that waits for a signal would refuse its data; None if none waits, or it fits."""

    async def holds_lease(self) -> bool:
        """Return whether no other driver may take over the run.

        Raises:
            StoreUnavailable: the store does not answer.
        """


class _ResumingDriver:
    """Stands for a driver that has taken the lease and is still restoring the run."""

    problem = "the run is being resumed"

    def signal_problem(self, name: str, key: str | None, data: str) -> InvalidOutput | None:  # noqa: ARG002
        return None

    async def holds_lease(self) -> bool:
        return True


_drivers: dict[tuple[str, str], Driver] = {}


def register_driver(store_url: str, run_id: str, driver: Driver) -> None:
    """Register the driver of a run in this process."""
    _drivers[store_url, run_id] = driver


def unregister_driver(store_url: str, run_id: str) -> None:
    """Remove the driver of a run in this process, if there is one."""
    _drivers.pop((store_url, run_id), None)


def local_driver(store_url: str, run_id: str) -> Driver | None:
    """Return the driver of the run in this process, or None."""
    return _drivers.get((store_url, run_id))


@contextmanager
def resuming(store_url: str, run_id: str) -> Iterator[None]:
    """Register, for the duration of the block, that this process is resuming the run."""
    register_driver(store_url, run_id, _ResumingDriver())
    try:
        yield
    finally:
        unregister_driver(store_url, run_id)

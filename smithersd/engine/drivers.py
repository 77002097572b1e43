"""Which runs this process drives, and whether each of those engines is well.

The serve app asks here for `/ready`: a process that drives the run is ready only while its engine's loop lives and
its store takes what it writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Driver(Protocol):
    """An engine, as others in its process see it."""

    @property
    def problem(self) -> str | None:
        """Why the run does not go on at present, in a few words, or None."""

    async def holds_lease(self) -> bool:
        """Whether nobody else may take the run.

        Raises:
            StoreUnavailable: the store does not say.
        """


class _Beginning:
    """A process that has taken a run's lease and has not brought the run back yet."""

    problem = "it is being taken up"

    async def holds_lease(self) -> bool:
        return True


_drivers: dict[tuple[str, str], Driver] = {}


def register_driver(store_url: str, run_id: str, driver: Driver) -> None:
    """Announce that this process drives the run from now on."""
    _drivers[store_url, run_id] = driver


def unregister_driver(store_url: str, run_id: str) -> None:
    """Take back what `register_driver` announced."""
    _drivers.pop((store_url, run_id), None)


def local_driver(store_url: str, run_id: str) -> Driver | None:
    """Return the engine that drives the run in this process, or None."""
    return _drivers.get((store_url, run_id))


@contextmanager
def taking_up(store_url: str, run_id: str) -> Iterator[None]:
    """Announce that this process takes the run up, and cannot go on with it while the `with` lasts."""
    register_driver(store_url, run_id, _Beginning())
    try:
        yield
    finally:
        unregister_driver(store_url, run_id)

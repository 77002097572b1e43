"""Which runs this process drives, and whether each of those engines is well.

The serve app asks here for `/ready`: a process that drives the run is ready only while its engine's loop lives and
its store takes what it writes.
"""

from typing import Protocol


class Driver(Protocol):
    """An engine, as others in its process see it."""

    @property
    def problem(self) -> str | None:
        """Why the run does not go on at present, in a few words, or None."""


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

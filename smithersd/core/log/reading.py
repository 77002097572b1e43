"""Read an event from its row in a store, and report a log that is damaged."""

from smithersd.core.log.event_json import decode
from smithersd.core.log.events import Event
from smithersd.errors import StoreInvalid


def read_event(run_id: str, seq: int, payload: str | bytes) -> Event:
    """Return the event of a run's log at a seq.

    Raises:
        StoreInvalid: the text is not an event that this version knows.
    """
    try:
        return decode(payload)
    except ValueError as error:
        raise log_damaged(run_id, seq, str(error)) from error


def log_damaged(run_id: str, seq: int, why: str) -> StoreInvalid:
    """Return the error that a run's log is damaged, from which event on, and why."""
    return StoreInvalid(
        f"The log of run {run_id!r} is damaged at seq {seq}: {why}.", remedy="Restore the store from a backup."
    )

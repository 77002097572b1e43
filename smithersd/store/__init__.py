"""Keep runs, events, outputs, frames, waits and requests in SQLite or PostgreSQL."""

from smithersd.store.opening import open_store
from smithersd.store.store import Store

__all__ = ["Store", "open_store"]

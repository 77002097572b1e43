"""What remembers: runs, events, outputs, frames, gates, and an inbox, in SQLite."""

from smithersd.store.store import Store, open_store

__all__ = ["Store", "open_store"]

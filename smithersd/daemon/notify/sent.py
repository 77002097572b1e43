"""The notifications that hooks have sent: a file in the run's folder, so that a restart sends none twice."""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

Wait = tuple[str, int, int]
"""An approval (node id, iteration) and when it began to wait, in ms."""


@dataclass(frozen=True, slots=True)
class SentNotifications:
    """The pending waits that were sent, and the flags (`--on-end`) whose commands have sent the run's end."""

    waits: frozenset[Wait] = frozenset()
    ends: frozenset[str] = frozenset()


_ADAPTER = TypeAdapter(SentNotifications)


class SentFile:
    """The file of sent notifications; one that cannot be read counts as empty, and an empty one is removed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> SentNotifications:
        """Return the notifications that were sent."""
        try:
            return _ADAPTER.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return SentNotifications()

    def write(self, sent: SentNotifications) -> None:
        """Replace the file atomically.

        Raises:
            OSError: the file cannot be written.
        """
        if sent == SentNotifications():
            self._path.unlink(missing_ok=True)
            return
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.touch(0o600)
        draft.write_bytes(_ADAPTER.dump_json(sent))
        draft.replace(self._path)

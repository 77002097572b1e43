"""What the operator's commands have told of a run: a file beside the run, so that a restart tells nobody twice."""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

Wait = tuple[str, int, int]
"""An approval (node id, iteration) and when it began to wait, in ms."""


@dataclass(frozen=True, slots=True)
class SentNotifications:
    """The waits that were told and go on, and the flags (`--on-end`) whose commands have told of the run's end."""

    waits: frozenset[Wait] = frozenset()
    ends: frozenset[str] = frozenset()


_ADAPTER = TypeAdapter(SentNotifications)


class SentFile:
    """What was told; a file that cannot be read is taken for empty, and there is none for nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> SentNotifications:
        """Return what was told."""
        try:
            return _ADAPTER.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return SentNotifications()

    def write(self, sent: SentNotifications) -> None:
        """Replace what was told, all at once.

        Raises:
            OSError: it cannot be written.
        """
        if sent == SentNotifications():
            self._path.unlink(missing_ok=True)
            return
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.touch(0o600)
        draft.write_bytes(_ADAPTER.dump_json(sent))
        draft.replace(self._path)

"""Of which waits somebody was told: a file beside the run, so that a restart tells nobody twice."""

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

Wait = tuple[str, int, int]
"""A gate (node id, iteration) and when it began to wait, in ms."""

_ADAPTER = TypeAdapter(set[Wait])


class ToldFile:
    """The waits that were told and go on; one that cannot be read is taken for empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> set[Wait]:
        """Return the waits."""
        try:
            return _ADAPTER.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return set()

    def write(self, waits: Iterable[Wait]) -> None:
        """Replace the waits, all at once.

        Raises:
            OSError: it cannot be written.
        """
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.touch(0o600)
        draft.write_bytes(_ADAPTER.dump_json(set(waits)))
        draft.replace(self._path)

    def remove(self) -> None:
        """Nothing waits any more."""
        self._path.unlink(missing_ok=True)

"""Writes to the terminal or the pipe in a thread: a stopped terminal or a reader that rests holds up no run."""

import stat
import threading
from contextlib import suppress
from os import fstat
from typing import TextIO

from smithersd.cli.terminal.backlog import Backlog

_PIECE_LENGTH = 4 * 1024
"""Characters that are written at once: how fine it shows whether a reader takes something."""
_REST_S = 1.0
"""How long the reader of a terminal may take nothing, at the end, before it counts as stopped."""


class Printer:
    """Keeps what is written to several streams in order, and loses nothing that a living reader takes at last.

    When nobody reads any more it falls silent.
    """

    def __init__(self) -> None:
        self._backlog = Backlog()
        self._pieces = 0
        self._is_hurried = False
        self._stream: TextIO | None = None
        self._thread = threading.Thread(target=self._work, name="smithersd-printer", daemon=True)
        self._thread.start()

    @property
    def is_behind(self) -> bool:
        """Whether there is text that was not read yet."""
        return self._backlog.is_waiting

    def write(self, text: str, stream: TextIO | None) -> None:
        """Write text; it returns at once. A process may have been started without this stream."""
        if stream is not None:
            self._backlog.add(text, stream)

    def close(self, *, is_hurried: bool = False) -> None:
        """Wait until all is read: through a pipe as long as its reader lives, on a terminal while that takes any.

        When `is_hurried`, from then on, the reader of a pipe has to take some too, within a second.
        """
        self._is_hurried = self._is_hurried or is_hurried
        self._backlog.close()
        while self._thread.is_alive():
            pieces = self._pieces
            self._thread.join(_REST_S)
            if self._pieces == pieces and (self._is_hurried or not _is_pipe(self._stream)):
                return

    def _work(self) -> None:
        while (waiting := self._backlog.take()) is not None:
            text, self._stream = waiting
            with suppress(Exception):  # the reader has left, or the disk is full: the run goes on
                for start in range(0, len(text), _PIECE_LENGTH):
                    self._stream.write(text[start : start + _PIECE_LENGTH])
                    self._stream.flush()
                    self._pieces += 1
            self._backlog.done()


def _is_pipe(stream: TextIO | None) -> bool:
    if stream is None:
        return False
    try:
        mode = fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # a stream without a descriptor
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

"""A thread that writes to terminals and pipes, so that a stopped terminal or a slow reader delays no run."""

import stat
import threading
from contextlib import suppress
from os import fstat
from typing import TextIO

from smithersd.cli.terminal.backlog import Backlog

_PIECE_LENGTH = 4 * 1024
"""Characters per write: few enough to see whether the reader still reads."""
_STALL_S = 1.0
"""How long a terminal may accept nothing, at the end, before it counts as stopped."""


class Printer:
    """A queue of text for several streams, written in order by a thread of its own.

    A slow reader loses nothing. Text for a reader that has gone is discarded.
    """

    def __init__(self) -> None:
        self._backlog = Backlog()
        self._pieces = 0
        self._has_deadline = False
        self._stream: TextIO | None = None
        self._thread = threading.Thread(target=self._work, name="smithersd-printer", daemon=True)
        self._thread.start()

    @property
    def is_behind(self) -> bool:
        """Whether there is text that has not been read yet."""
        return self._backlog.is_waiting

    def write(self, text: str, stream: TextIO | None) -> None:
        """Queue text and return at once; `stream` is None if the process was started without it."""
        if stream is not None:
            self._backlog.add(text, stream)

    def close(self, *, has_deadline: bool = False) -> None:
        """Wait until all text is written, for a pipe while its reader lives, for a terminal while it accepts text.

        With `has_deadline` the reader of a pipe, too, must read something within a second.
        """
        self._has_deadline = self._has_deadline or has_deadline
        self._backlog.close()
        while self._thread.is_alive():
            pieces = self._pieces
            self._thread.join(_STALL_S)
            if self._pieces == pieces and (self._has_deadline or not _is_pipe(self._stream)):
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

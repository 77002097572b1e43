"""Writes to the terminal or the pipe in a thread: a stopped terminal or a reader that rests holds up no run."""

import queue
import threading
from typing import TextIO

from smithersd.config import MIB

UNREAD_MAX = 1 * MIB
"""Characters that may wait for a reader; what comes then is left out, and that is said."""
_CLOSE_WAIT_S = 1.0


class Printer:
    """Keeps what is written to several streams in order. When nobody reads them any more it falls silent."""

    def __init__(self) -> None:
        self._texts: queue.SimpleQueue[tuple[TextIO, str] | None] = queue.SimpleQueue()
        self._unread = 0
        self._left_out = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="smithersd-printer", daemon=True)
        self._thread.start()

    @property
    def is_behind(self) -> bool:
        """Whether there is text that was not read yet."""
        return self._unread > 0

    def write(self, text: str, stream: TextIO | None) -> None:
        """Write text; it returns at once. A process may have been started without this stream."""
        if stream is None:
            return
        with self._lock:
            if self._unread + len(text) > UNREAD_MAX:
                self._left_out += text.count("\n")
                return
            if self._left_out:
                text = f"({self._left_out} lines were left out: nobody read them)\n{text}"
                self._left_out = 0
            self._unread += len(text)
        self._texts.put((stream, text))

    def close(self) -> None:
        """Give the reader a moment for what is left."""
        self._texts.put(None)
        self._thread.join(_CLOSE_WAIT_S)

    def _work(self) -> None:
        while (next_text := self._texts.get()) is not None:
            stream, text = next_text
            try:
                stream.write(text)
                stream.flush()
            except (OSError, ValueError):
                pass  # the reader has left, or the disk is full: the run goes on
            with self._lock:
                self._unread -= len(text)

"""Text that waits for a slow reader: in memory, and beyond a limit in an unnamed temporary file."""

import os
import tempfile
import threading
from collections import deque
from typing import TextIO

from smithersd.limits import BACKLOG_FILE_BYTES_MAX, BACKLOG_LENGTH_MAX

_BLOCK_BYTES = 64 * 1024
"""The size up to which texts in the file are joined, so that few positions are kept in memory."""


class Backlog:
    """A queue of texts, each for a stream; any thread may add a text, and one thread takes them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._texts: deque[tuple[str, TextIO]] = deque()
        self._length = 0
        self._file: int | None = None
        self._blocks: deque[tuple[int, TextIO]] = deque()
        self._read_bytes = self._written_bytes = 0
        self._left_out = 0
        self._is_taken = False
        self._is_closed = False

    @property
    def is_waiting(self) -> bool:
        """Whether a text has not been written yet."""
        return bool(self._is_taken or self._texts or self._blocks)

    def add(self, text: str, stream: TextIO) -> None:
        """Add a text; if there is no room, drop it, and let the next text say how many lines were dropped."""
        with self._changed:
            if self._left_out:
                text = f"({self._left_out} lines were dropped: the output was not read)\n{text}"
            if not self._blocks and (not self._length or self._length + len(text) <= BACKLOG_LENGTH_MAX):
                self._texts.append((text, stream))
                self._length += len(text)
            elif not self._put_in_file(text.encode(errors="surrogatepass"), stream):
                self._left_out += text.count("\n") - bool(self._left_out)
                return
            self._left_out = 0
            self._changed.notify()

    def take(self) -> tuple[str, TextIO] | None:
        """Wait for the next text; return None once the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._texts or self._blocks or self._is_closed)
            self._is_taken = bool(self._texts or self._blocks)
            if self._texts:
                text, stream = self._texts.popleft()
                self._length -= len(text)
                return text, stream
            return self._taken_from_file() if self._blocks else None

    def done(self) -> None:
        """Mark the text that was taken last as written."""
        self._is_taken = False

    def close(self) -> None:
        """Close the queue: nothing more will be added."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _put_in_file(self, data: bytes, stream: TextIO) -> bool:
        if self._written_bytes + len(data) > BACKLOG_FILE_BYTES_MAX:
            return False
        try:
            if self._file is None:
                self._file = _nameless_file()
            if os.pwrite(self._file, data, self._written_bytes) < len(data):
                return False
        except OSError:
            return False
        self._written_bytes += len(data)
        size = len(data)
        if self._blocks and self._blocks[-1][1] is stream and self._blocks[-1][0] + size <= _BLOCK_BYTES:
            size += self._blocks.pop()[0]
        self._blocks.append((size, stream))
        return True

    def _taken_from_file(self) -> tuple[str, TextIO]:
        assert self._file is not None, "blocks are in the file"
        size, stream = self._blocks.popleft()
        data = os.pread(self._file, size, self._read_bytes)
        self._read_bytes += size
        if not self._blocks:
            os.ftruncate(self._file, 0)
            self._read_bytes = self._written_bytes = 0
        return data.decode(errors="surrogatepass"), stream


def _nameless_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())

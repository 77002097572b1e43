"""What a command wrote: stdout for the node's output, the end of stderr for an error message."""

import codecs
from bisect import bisect_left
from collections import deque
from typing import Final

import pydantic_core

from smithersd.executors.call import STDERR
from smithersd.executors.output.mask import Mask, MaskedStream
from smithersd.limits import MIB, OUTPUT_BYTES_MAX

TAIL_LINES_MAX: Final = 20
TAIL_LENGTH_MAX: Final = 2_000
"""How many last lines and characters the error of a failed command has."""

TAIL_BYTES_MAX: Final = 4 * TAIL_LENGTH_MAX
"""Bytes that TAIL_LENGTH_MAX characters may take."""

MARK_BYTES_MAX: Final = 100
"""Bytes for the line that says that the beginning of stdout was cut."""

LARGE_BYTES: Final = 64 * 1024
"""From this size on, stdout is written as JSON in a thread instead of the loop."""


class _MaskedBytes:
    """Replaces secrets in UTF-8 bytes that come in pieces."""

    def __init__(self, mask: Mask) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stream = MaskedStream(mask)

    def add(self, data: bytes) -> bytes:
        return self._stream.add(self._decoder.decode(data)).encode()

    def close(self) -> bytes:
        return (self._stream.add(self._decoder.decode(b"", final=True)) + self._stream.close()).encode()


class ShellOutput:
    """Keeps stdout, and the end of stderr.

    If stdout is larger than OUTPUT_BYTES_MAX, only its end is kept; if it `needs_whole_stdout`, nothing is, and
    `is_too_much` becomes true.
    """

    def __init__(self, *, needs_whole_stdout: bool, mask: Mask | None = None) -> None:
        """`mask` replaces secrets in what an error repeats; an output with secrets is refused as a whole."""
        self.is_too_much = False
        self._mask = mask
        self._masked_stderr = None if mask is None else _MaskedBytes(mask)
        self._needs_whole_stdout = needs_whole_stdout
        self._stdout: deque[bytes] = deque()
        self._stdout_bytes = 0
        self._cut_bytes = 0
        self._stderr_tail = b""

    @property
    def is_large(self) -> bool:
        """Whether stdout is to be written as JSON in a thread."""
        return self._stdout_bytes >= LARGE_BYTES

    def add(self, data: bytes, stream: str) -> None:
        """Add what was read from a stream."""
        if stream == STDERR:
            self._add_stderr(data if self._masked_stderr is None else self._masked_stderr.add(data))
        elif not self.is_too_much:
            self._stdout.append(data)
            self._stdout_bytes += len(data)
            self._bound_stdout()

    def stdout(self) -> str:
        """Return stdout as text that fits into an output; if only its end fits, the first line says so."""
        data = b"".join(self._stdout)
        text = data.decode(errors="replace")
        if self._needs_whole_stdout or (not self._cut_bytes and _json_bytes(text) <= OUTPUT_BYTES_MAX):
            return text
        end = _fitting_end(text, OUTPUT_BYTES_MAX - MARK_BYTES_MAX)
        cut_bytes = self._cut_bytes + len(data) - len(end.encode())
        return f"[the first {cut_bytes:,} bytes of stdout were cut]\n{end}"

    def tail(self) -> str:
        """Return the last lines of stderr; of stdout if stderr is empty, since many tools report errors there."""
        if self._masked_stderr is not None:
            self._add_stderr(self._masked_stderr.close())
        data = self._stderr_tail.strip() or self._stdout_tail()
        lines = data.decode(errors="replace").strip().splitlines()[-TAIL_LINES_MAX:]
        return "\n".join(lines)[-TAIL_LENGTH_MAX:]

    def _add_stderr(self, data: bytes) -> None:
        self._stderr_tail = (self._stderr_tail + data)[-TAIL_BYTES_MAX:]

    def _stdout_tail(self) -> bytes:
        data = b"".join(self._stdout)
        if self._mask is not None:
            data = self._mask.text(data.decode(errors="replace")).encode()
        return data[-TAIL_BYTES_MAX:]

    def too_much_message(self, node_id: str) -> str:
        """Return the error message for a stdout that is too large to be read with output=."""
        return (
            f"The command of {node_id!r} wrote more than {OUTPUT_BYTES_MAX // MIB} MiB to stdout, "
            "which is too much to read with output=. Write what is not part of the output to stderr or to a file, or "
            "leave out output=: then the end of stdout is kept."
        )

    def _bound_stdout(self) -> None:
        if self._needs_whole_stdout and self._stdout_bytes > OUTPUT_BYTES_MAX:
            self.is_too_much = True
            self._stdout.clear()
            return
        while self._stdout_bytes - len(self._stdout[0]) > OUTPUT_BYTES_MAX:
            cut = len(self._stdout.popleft())
            self._stdout_bytes -= cut
            self._cut_bytes += cut


def _fitting_end(text: str, bytes_max: int) -> str:
    """Return the longest end of a text with at most `bytes_max` of JSON, from the start of a line if there is one."""
    start = bisect_left(range(len(text)), -bytes_max, key=lambda place: -_json_bytes(text[place:]))
    line_start = text.find("\n", max(0, start - 1)) + 1
    return text[line_start:] if 0 < line_start < len(text) else text[start:]


def _json_bytes(text: str) -> int:
    return len(pydantic_core.to_json(text))

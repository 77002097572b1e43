"""What a command wrote: the whole stdout for its output, the end of stderr for its error."""

from typing import Final

from smithersd.config import MIB, SHELL_STDOUT_BYTES_MAX
from smithersd.executors.call import STDERR

TAIL_LINES_MAX: Final = 20
TAIL_LENGTH_MAX: Final = 2_000
"""Lines and characters that the error of a failed command repeats."""

TAIL_BYTES_MAX: Final = 4 * TAIL_LENGTH_MAX
"""Bytes that so many characters may take."""

LARGE_BYTES: Final = 64 * 1024
"""A stdout from this size on is better written as JSON in a thread than in the loop."""


class ShellOutput:
    """Keeps stdout up to the limit of an output, and the last of both streams."""

    def __init__(self) -> None:
        self.is_too_much = False
        self._stdout: list[bytes] = []
        self._stdout_bytes = 0
        self._stderr_tail = b""

    @property
    def is_large(self) -> bool:
        """Whether stdout is worth a thread."""
        return self._stdout_bytes >= LARGE_BYTES

    def add(self, data: bytes, stream: str) -> None:
        """Take what was read from a stream."""
        if stream == STDERR:
            self._stderr_tail = (self._stderr_tail + data)[-TAIL_BYTES_MAX:]
        elif not self.is_too_much:
            self._stdout.append(data)
            self._stdout_bytes += len(data)
            if self._stdout_bytes > SHELL_STDOUT_BYTES_MAX:
                self.is_too_much = True
                self._stdout.clear()

    def stdout(self) -> str:
        """The whole stdout as text."""
        return b"".join(self._stdout).decode(errors="replace")

    def tail(self) -> str:
        """The last lines of stderr; of stdout when nothing went to stderr, as many tools have it."""
        data = self._stderr_tail.strip() or b"".join(self._stdout)[-TAIL_BYTES_MAX:]
        lines = data.decode(errors="replace").strip().splitlines()[-TAIL_LINES_MAX:]
        return "\n".join(lines)[-TAIL_LENGTH_MAX:]

    def too_much_message(self, node_id: str) -> str:
        """Say that stdout is no output any more, and what to do about it."""
        return (
            f"The command of {node_id!r} wrote more than {SHELL_STDOUT_BYTES_MAX // MIB} MiB to stdout, "
            "which is its output. Redirect what nobody needs to stderr or to a file."
        )

"""Text streams that stand where a terminal's own would tear a region that is drawn in place."""

import io
from collections.abc import Callable
from typing import Any, TextIO

from smithersd.cli.printer import Printer


class LineStream(io.TextIOBase):
    """Stands for stdout or stderr and gives each whole line to `show`, in the thread that wrote it."""

    def __init__(self, original: TextIO, show: Callable[[str], None]) -> None:
        self._original = original
        self._show = show
        self._partial = ""

    def write(self, text: str) -> int:
        """Take text; a line that is not whole yet waits for its end."""
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self._show(line)
        return len(text)

    def finish(self) -> None:
        """Show a line that never became whole."""
        if self._partial:
            self._show(self._partial)
            self._partial = ""

    def writable(self) -> bool:
        """Whether it takes text: always."""
        return True

    def isatty(self) -> bool:
        """Whether a terminal is behind it."""
        return self._original.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class Paper(io.TextIOBase):
    """What rich draws on: the terminal, by way of a printer that never waits for it."""

    def __init__(self, printer: Printer, terminal: TextIO) -> None:
        self._printer = printer
        self._terminal = terminal

    def write(self, text: str) -> int:
        """Hand text to the printer."""
        self._printer.write(text, self._terminal)
        return len(text)

    def isatty(self) -> bool:
        """Whether a terminal is behind it."""
        return self._terminal.isatty()

    def fileno(self) -> int:
        """The terminal's descriptor, which tells its size."""
        return self._terminal.fileno()

"""The foot of a terminal, redrawn in place, with lines above it that scroll away.

It draws a few times a second at most, and only when something changed or a duration ticks. A drawing that took long is
followed by a rest of many times that, so that a large run does not pay for being looked at.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO, cast

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from smithersd.cli.printer import Printer
from smithersd.cli.streams import LineStream, Paper
from smithersd.cli.words import one_line

REDRAW_S = 0.125
TICK_S = 1.0
"""How often durations go on when nothing else happens."""
_REST_FACTOR = 20
"""A drawing may take a twentieth of the loop's time."""
_SHOW_CURSOR = b"\x1b[?25h\r\n"


@dataclass(frozen=True, slots=True)
class Screen:
    """The size of a terminal, in characters."""

    width: int
    height: int


class Region:
    """Owns the terminal that stdout is, from its making until `close`."""

    def __init__(self) -> None:
        self._terminal, self._stderr = sys.stdout, sys.stderr
        self._is_stderr_here = sys.stderr is not None and sys.stderr.isatty()
        self._printer = Printer()
        self._console = Console(
            file=cast("TextIO", Paper(self._printer, self._terminal)), force_terminal=True, highlight=False
        )
        self._live: Live | None = None
        self._view: Callable[[Screen], RenderableType] = lambda _: Text()
        self._above: list[Text] = []
        self._lock = threading.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = self._drawn_at_s = self._rest_s = 0.0
        sys.stdout = self._stdout_stand_in = LineStream(self._terminal, self._show_line)
        sys.stderr = self._stderr_stand_in = (
            LineStream(self._stderr, self._show_line) if self._is_stderr_here else self._stderr
        )

    @property
    def width(self) -> int:
        """The cells of a line."""
        return self._console.width

    def print(self, lines: Sequence[Text]) -> None:
        """Show lines above the region; in any thread."""
        with self._lock:
            self._above += lines
        if self._live is None:
            self._print_above()

    def print_errors(self, lines: Sequence[Text]) -> None:
        """Show lines above the region at once, or write them to stderr where that is no terminal; in any thread.

        The loop that draws may be the very thing that is wrong.
        """
        if self._is_stderr_here:
            self.print(lines)
            self._print_above()
        else:
            self._printer.write("".join(f"{line.plain}\n" for line in lines), self._stderr)

    def start(self, view: Callable[[Screen], RenderableType]) -> None:
        """Begin to draw; in the loop's thread, as all that follows."""
        self._view = view
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
            get_renderable=self._draw_view,
        )
        self._live.start()
        self._draw()

    def change(self) -> None:
        """Draw soon."""
        if self._live is not None:
            rest_s = max(REDRAW_S, self._rest_s)
            self._draw_in(max(0.0, self._drawn_at_s + rest_s - time.monotonic()))

    def stop(self) -> None:
        """Draw a last time, and leave that on the screen."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        live, self._live = self._live, None
        if live is not None:
            self._print_above()
            live.refresh()
            live.stop()

    def close(self) -> None:
        """Give the terminal back."""
        self.stop()
        if sys.stdout is self._stdout_stand_in:
            sys.stdout = self._terminal
        if sys.stderr is self._stderr_stand_in:
            sys.stderr = self._stderr
        for stream in (self._stdout_stand_in, self._stderr_stand_in):
            if isinstance(stream, LineStream):
                stream.finish()
        self._print_above()
        self._printer.close()

    def release(self) -> None:
        """Write what is left and show the cursor again, whatever else is under way; in any thread."""
        self._printer.close()
        with suppress(OSError):
            os.write(self._terminal.fileno(), _SHOW_CURSOR)

    def _show_line(self, line: str) -> None:
        self.print([Text(one_line(line, is_indented=True))])

    def _print_above(self) -> None:
        with self._lock:
            lines, self._above = self._above, []
        if lines:
            self._console.print(Text("\n").join(lines), soft_wrap=True)

    def _draw_in(self, delay_s: float) -> None:
        due_s = time.monotonic() + delay_s
        if self._timer is not None:
            if self._due_s <= due_s:
                return
            self._timer.cancel()
        self._due_s = due_s
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._draw)

    def _draw(self) -> None:
        self._timer = None
        if self._live is None:
            return
        if self._printer.is_behind:  # what is not read yet would be out of date
            self._draw_in(REDRAW_S)
            return
        began_s = time.monotonic()
        self._print_above()
        self._live.refresh()
        self._drawn_at_s = time.monotonic()
        self._rest_s = _REST_FACTOR * (self._drawn_at_s - began_s)
        self._draw_in(max(TICK_S, self._rest_s))

    def _draw_view(self) -> RenderableType:
        size = self._console.size
        return self._view(Screen(size.width, size.height))

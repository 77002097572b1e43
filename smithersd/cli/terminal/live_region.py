"""The bottom lines of a terminal, redrawn in place, with lines above them that scroll away.

It is drawn a few times a second at most, and only when something has changed or a duration has to be updated. After a
slow drawing comes a pause of many times its duration, so that drawing does not slow down a large run.
"""

import asyncio
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO, cast

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.live import Live
from rich.text import Text

from smithersd.cli.terminal.printer import Printer
from smithersd.cli.terminal.stray_output import StrayOutput
from smithersd.cli.terminal.streams import Streams
from smithersd.cli.text.phrases import one_line

REDRAW_S = 0.125
TICK_S = 1.0
"""How often durations are redrawn when nothing else happens."""
_PAUSE_FACTOR = 20
"""The pause after a drawing is this many times as long as the drawing took."""
_STDOUT, _STDERR = 1, 2
_SIZE_DEFAULT = (80, 24)
_RELEASE_S = 1.0
"""How long a forced exit waits until the output of child processes is shown."""
_SHOW_CURSOR = b"\x1b[?25h\r\n"


@dataclass(frozen=True, slots=True)
class Screen:
    """The size of a terminal, in characters."""

    width: int
    height: int


class _TerminalFile(io.TextIOBase):
    """The file that rich writes to: the terminal, through a printer that never blocks."""

    def __init__(self, printer: Printer, terminal: TextIO) -> None:
        self._printer = printer
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._printer.write(text, self._terminal)
        return len(text)

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._terminal.fileno()


def _size_of(terminal: TextIO) -> ConsoleDimensions:
    """Return the columns and rows of a terminal, or those of COLUMNS and LINES."""
    try:
        measured = os.get_terminal_size(terminal.fileno())
    except OSError:  # the terminal is closed
        return ConsoleDimensions(*_SIZE_DEFAULT)
    said = (os.environ.get(name, "") for name in ("COLUMNS", "LINES"))
    columns, rows = (int(one) if one.isdecimal() else real for one, real in zip(said, measured, strict=True))
    return ConsoleDimensions(columns or _SIZE_DEFAULT[0], rows or _SIZE_DEFAULT[1])


class LiveRegion:
    """The owner of stdout's terminal, from construction until `close`."""

    def __init__(self, streams: Streams) -> None:
        assert streams.out is not None, "it is a terminal"
        self._terminal, self._stderr = streams.out, streams.err
        self._is_stderr_shown = streams.err is not None and streams.err.isatty()
        self._printer = Printer()
        self._console = Console(
            file=cast("TextIO", _TerminalFile(self._printer, self._terminal)), force_terminal=True, highlight=False
        )
        self._measure()
        self._live: Live | None = None
        self._view: Callable[[Screen], RenderableType] = lambda _: Text()
        self._above: list[Text] = []
        self._lock = threading.Lock()
        self._print_lock = threading.RLock()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = self._drawn_at_s = self._pause_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stray = StrayOutput([_STDOUT, _STDERR] if self._is_stderr_shown else [_STDOUT], self._show_stray)

    @property
    def width(self) -> int:
        """The width of the terminal in cells."""
        return self._console.width

    def print(self, lines: Sequence[Text]) -> None:
        """Print lines above the region; call it from any thread."""
        with self._lock:
            self._above += lines
        if self._live is None:
            self._print_above()

    def print_errors(self, lines: Sequence[Text]) -> None:
        """Print lines above the region at once, or to stderr if that is not the terminal; call it from any thread.

        It works while the event loop is blocked.
        """
        if self._is_stderr_shown:
            self.print(lines)
            self._print_above()
        else:
            self._printer.write("".join(f"{line.plain}\n" for line in lines), self._stderr)

    def start(self, view: Callable[[Screen], RenderableType]) -> None:
        """Start drawing; call this and the methods below in the loop's thread."""
        self._view = view
        self._loop = asyncio.get_running_loop()
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
            get_renderable=self._draw_view,
        )
        with self._print_lock:
            self._live.start()
        self._draw()

    def change(self) -> None:
        """Schedule a drawing."""
        if self._live is not None:
            pause_s = max(REDRAW_S, self._pause_s)
            self._draw_in(max(0.0, self._drawn_at_s + pause_s - time.monotonic()))

    def stop(self) -> None:
        """Draw for the last time, and leave the drawing on the screen."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        live, self._live = self._live, None
        if live is not None:
            with self._print_lock:
                self._print_above()
                live.refresh()
                live.stop()

    def close(self) -> None:
        """Restore the terminal."""
        self.stop()
        _flush_stdio()
        self._stray.restore()
        self._print_above()
        self._printer.close()

    def release(self) -> None:
        """Write what is buffered and show the cursor again; call it from any thread, at any time."""
        self._stray.restore(timeout_s=_RELEASE_S)
        self._printer.write("".join(f"{line.plain}\r\n" for line in self._take_above()), self._terminal)
        self._printer.close(has_deadline=True)
        with suppress(OSError):
            os.write(self._terminal.fileno(), _SHOW_CURSOR)

    def _show_stray(self, lines: list[str]) -> None:
        self.print([Text(one_line(line, is_indented=True)) for line in lines])
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self.change)

    def _take_above(self) -> list[Text]:
        with self._lock:
            lines, self._above = self._above, []
        return lines

    def _print_above(self) -> None:
        """Print the waiting lines, before another thread prints later ones or draws."""
        with self._print_lock:
            lines = self._take_above()
            self._measure()
            if lines:
                self._console.print(Text("\n").join(lines), soft_wrap=True)

    def _measure(self) -> None:
        """Set the size for rich, which would measure stdin, stdout and stderr, none of which may be a terminal."""
        self._console.size = _size_of(self._terminal)

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
        began_s = time.monotonic()
        self._print_above()
        if self._printer.is_behind:  # another drawing would be outdated before it is read
            self._draw_in(REDRAW_S)
            return
        with self._print_lock:
            self._live.refresh()
        self._drawn_at_s = time.monotonic()
        self._pause_s = _PAUSE_FACTOR * (self._drawn_at_s - began_s)
        self._draw_in(max(TICK_S, self._pause_s))

    def _draw_view(self) -> RenderableType:
        size = self._console.size
        return self._view(Screen(size.width, size.height))


def _flush_stdio() -> None:
    """Flush what author code has printed, so that it comes before the last lines."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # author code may have replaced it
            stream.flush()

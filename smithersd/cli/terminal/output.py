"""The output of commands: styled by rich on a terminal, plain lines elsewhere, JSON for programs.

rich is imported only for a terminal. On a terminal lines are wrapped to its width; elsewhere they stay whole. Nothing
is cut.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pydantic_core

from smithersd.cli.text.columns import Line, Row, has_longer_word, in_columns, in_table, wrapped
from smithersd.cli.text.phrases import Phrase

if TYPE_CHECKING:
    from rich.console import Console

_BELOW = "  "
"""The indentation of lines below a table row."""


def say(*phrases: Phrase | str) -> None:
    """Print a line, given in pieces."""
    pieces = [phrase if isinstance(phrase, Phrase) else Phrase(phrase) for phrase in phrases]
    if sys.stdout.isatty():
        _say_styled(pieces)
    else:
        print("".join(piece.text for piece in pieces))


def say_aside(text: str) -> None:
    """Print a note to stderr, which is not part of the command's output."""
    if not sys.stderr.isatty():
        print(text, file=sys.stderr)
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    Console(stderr=True).print(text, style="dim", soft_wrap=True, highlight=False, markup=False)


def say_lines(lines: Iterable[Phrase], *, indent: int = 0) -> None:
    """Print lines, wrapped between words on a terminal; phrases that are whole are not wrapped."""
    width = terminal_width()
    for line in lines:
        for text in [line.text] if width is None or line.is_whole else wrapped(line.text, width - indent):
            say(" " * indent, Phrase(text, line.style, is_whole=True))


def say_columns(lines: Sequence[Line]) -> None:
    """Print lines with their cells aligned in columns."""
    for parts in in_columns(lines, terminal_width()):
        for part in parts:
            _say_whole(part)


def say_table(headers: Sequence[str], rows: Sequence[Row]) -> None:
    """Print a table, with further lines below each row."""
    below: list[Sequence[Phrase]] = [(), *(row.below for row in rows)]
    for (parts, moved), more in zip(in_table(headers, rows, terminal_width()), below, strict=True):
        for part in parts:
            _say_whole(part)
        if moved:
            say(_BELOW, *_joined(moved))
        say_lines(more, indent=len(_BELOW))


def terminal_width() -> int | None:
    """Return the width of stdout's terminal in cells; None if stdout is not a terminal."""
    return _console().width if sys.stdout.isatty() else None


def _say_whole(pieces: Line) -> None:
    """Print a line that is laid out already."""
    say(*(replace(piece, is_whole=True) for piece in pieces))


def say_json(value: Any) -> None:
    """Print a value as one JSON document."""
    print(pydantic_core.to_json(value, indent=2, inf_nan_mode="null").decode())


def flush() -> None:
    """Flush stdout."""
    sys.stdout.flush()


def _joined(pieces: Line) -> Iterator[Phrase]:
    for place, piece in enumerate(pieces):
        yield from [Phrase(", ")] if place else []
        yield piece


def _say_styled(pieces: Sequence[Phrase]) -> None:
    from rich.text import Text  # noqa: PLC0415 - only a terminal needs it

    line = Text.assemble(*((piece.text, piece.style) for piece in pieces))
    is_whole = any(piece.is_whole for piece in pieces) or has_longer_word(line.plain, _console().width)
    _console().print(line, soft_wrap=is_whole, highlight=False)


@lru_cache(maxsize=1)
def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    return Console()

"""Where commands write: styled by rich on a terminal, plain lines elsewhere, JSON for machines.

rich is imported only where there is a terminal. Nothing is ever wrapped or cut here: a terminal wraps by itself, and
who reads a pipe wants whole lines.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import pydantic_core

from smithersd.cli.words import Phrase

if TYPE_CHECKING:
    from rich.console import Console

Line = Sequence[Phrase]
"""A line in pieces, each with its style."""

_GAP = "  "


def say(*phrases: Phrase | str) -> None:
    """Write a line, given in pieces."""
    pieces = [one if isinstance(one, Phrase) else Phrase(one) for one in phrases]
    if sys.stdout.isatty():
        _say_styled(pieces)
    else:
        print("".join(piece.text for piece in pieces))


def say_aside(text: str) -> None:
    """Write a line to stderr that says what is taken for granted; stdout is for what was asked for."""
    if not sys.stderr.isatty():
        print(text, file=sys.stderr)
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    Console(stderr=True).print(text, style="dim", soft_wrap=True, highlight=False, markup=False)


def say_columns(lines: Sequence[Line]) -> None:
    """Write lines whose pieces stand under one another; the last piece of a line may be of any width."""
    lines = [_without_empty_end(line) for line in lines]
    widths: list[int] = []
    for line in lines:
        widths += [0] * (len(line) - 1 - len(widths))
        for column, piece in enumerate(line[:-1]):
            widths[column] = max(widths[column], _cells(piece.text))
    for line in lines:
        last = len(line) - 1
        say(*(piece if i == last else _padded(piece, widths[i]) for i, piece in enumerate(line)))


def say_table(heads: Sequence[str], rows: Sequence[Line]) -> None:
    """Write rows under heads; on a terminal that is too narrow all cells but a row's first are folded."""
    if not sys.stdout.isatty():
        say_columns([[Phrase(head) for head in heads], *rows])
        return
    from rich.table import Table  # noqa: PLC0415 - only a terminal needs it
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(head, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*(Text(piece.text, piece.style) for piece in row))
    _console().print(table)


def say_json(value: Any) -> None:
    """Write a value as one JSON document."""
    print(pydantic_core.to_json(value, indent=2, inf_nan_mode="null").decode())


def flush() -> None:
    """Let whoever reads us see what was written so far."""
    sys.stdout.flush()


def _without_empty_end(line: Line) -> Line:
    full = [place for place, piece in enumerate(line, start=1) if piece.text]
    return line[: full[-1]] if full else []


def _padded(piece: Phrase, width: int) -> Phrase:
    return Phrase(piece.text + " " * (width - _cells(piece.text)) + _GAP, piece.style)


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _say_styled(pieces: Sequence[Phrase]) -> None:
    from rich.text import Text  # noqa: PLC0415 - only a terminal needs it

    line = Text.assemble(*((piece.text, piece.style) for piece in pieces))
    _console().print(line, soft_wrap=True, highlight=False)


@lru_cache(maxsize=1)
def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    return Console()

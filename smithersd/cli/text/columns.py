"""Layout of lines and tables for a width: text is wrapped between words and never cut.

Without a width (a pipe, a file) nothing is wrapped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smithersd.cli.text.phrases import Phrase

Line = Sequence[Phrase]
"""The cells of a line, each with its style."""

GAP = "  "
_FIRST_SHARE = 0.45
"""The largest share of the width for the first column; a longer cell gets a line of its own."""
_LAST_CELLS_MIN = 24
"""If fewer cells of the terminal are left, the last cell of a line goes below it."""
_BELOW = "    "


def cells(text: str) -> int:
    """Return the width of a text in cells of a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - most texts need no table of widths

    return cell_len(text)


def wrapped(text: str, width: int) -> list[str]:
    """Wrap a text between words; a word that is wider than a line stays whole, for the terminal to break."""
    lines: list[str] = []
    room = 0
    for word in text.split(" "):
        size = cells(word)
        if lines and size < room:
            lines[-1] += f" {word}"
            room -= size + 1
        else:
            lines.append(word)
            room = width - size
    return lines


def has_longer_word(text: str, width: int) -> bool:
    """Whether a word of the text is wider than a line; it must stay whole, so that it can be copied."""
    return any(cells(word) > width for word in text.split(" "))


def in_columns(lines: Sequence[Line], width: int | None = None) -> list[list[Line]]:
    """Align the cells of lines in columns; return for each line the lines that it became.

    Empty columns are left out. The last cell of a line may have any width: it is wrapped within its column, or below
    the line if the column is too narrow.
    """
    lines = [_without_empty_end(line) for line in lines]
    widths = _widths(lines)
    if width is not None and widths and sum(widths) + len(GAP) * len(widths) + _LAST_CELLS_MIN > width:
        widths[0] = _first_width([line[0] for line in lines if len(line) > 1], width)
    return [list(_arranged(line, widths, width)) for line in lines]


def _widths(lines: Sequence[Line]) -> list[int]:
    """Return the widths of the columns, not counting the last cell of each line."""
    widths: list[int] = []
    for line in lines:
        widths += [0] * (len(line) - 1 - len(widths))
        for column, piece in enumerate(line[:-1]):
            widths[column] = max(widths[column], cells(piece.text))
    return widths


def _first_width(pieces: Sequence[Phrase], width: int) -> int:
    """Return the width of the first column, in which only much longer cells do not fit."""
    sizes = [cells(piece.text) for piece in pieces]
    return max((size for size in sizes if size <= width * _FIRST_SHARE), default=0)


def _arranged(line: Line, widths: Sequence[int], width: int | None) -> Iterator[Line]:
    if not line:
        yield []
        return
    *head, last = line
    if head and cells(head[0].text) > widths[0]:
        yield head[:1]
        head[0] = Phrase("")
    padded = [_padded(piece, size) for piece, size in zip(head, widths, strict=False) if size]
    yield from _with_last(padded, last, width)


def _with_last(head: list[Phrase], last: Phrase, width: int | None) -> Iterator[Line]:
    if width is None:
        yield [*head, last]
        return
    start = sum(cells(piece.text) for piece in head)
    room = width - start
    if not head or cells(last.text) <= room:
        yield [*head, last]
    elif room >= _LAST_CELLS_MIN and not has_longer_word(last.text, room):
        first, *rest = wrapped(last.text, room)
        yield [*head, Phrase(first, last.style)]
        yield from ([Phrase(" " * start + piece, last.style)] for piece in rest)
    else:
        if any(piece.text.strip() for piece in head):
            yield [*head[:-1], Phrase(head[-1].text.rstrip(), head[-1].style)]
        indent = " " * (len(head[0].text) - len(head[0].text.lstrip())) if head[0].text.strip() else ""
        below = indent + _BELOW
        yield from ([Phrase(below + piece, last.style)] for piece in wrapped(last.text, width - len(below)))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, and the lines below it."""

    cells: Line
    below: Sequence[Phrase] = ()


def in_table(headers: Sequence[str], rows: Sequence[Row], width: int | None = None) -> list[tuple[list[Line], Line]]:
    """Lay out a table, its header first; return for each row its lines, and the cells that did not fit.

    Empty columns are left out. The last columns that do not fit go below the row, each cell with its header before it.
    """
    full = [column for column in range(len(headers)) if any(row.cells[column].text for row in rows)]
    sizes = {
        column: max(cells(text) for text in (headers[column], *(r.cells[column].text for r in rows))) for column in full
    }
    kept = _fitting(full, sizes, width)
    lines = [[Phrase(headers[column], "bold") for column in kept]]
    lines += [[row.cells[column] for column in kept] for row in rows]
    moved = [[_named(headers[column], row.cells[column]) for column in full if column not in kept] for row in rows]
    shown = [[piece for piece in line if piece.text] for line in ([], *moved)]
    return list(zip(in_columns(lines, width), shown, strict=True))


def _fitting(columns: Sequence[int], sizes: dict[int, int], width: int | None) -> list[int]:
    kept = list(columns)
    if width is None or not kept:
        return kept
    first = min(sizes[kept[0]], int(width * _FIRST_SHARE))
    while len(kept) > 1 and first + sum(len(GAP) + sizes[column] for column in kept[1:]) > width:
        kept.pop()
    return kept


def _named(header: str, cell: Phrase) -> Phrase:
    return Phrase(f"{header.lower()} {cell.text}" if cell.text else "", cell.style)


def _without_empty_end(line: Line) -> Line:
    full = [place for place, piece in enumerate(line, start=1) if piece.text]
    return line[: full[-1]] if full else []


def _padded(piece: Phrase, width: int) -> Phrase:
    return Phrase(piece.text + " " * (width - cells(piece.text)) + GAP, piece.style)

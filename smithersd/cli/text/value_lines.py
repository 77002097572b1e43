"""A value that JSON holds, as lines for people: an output that an approval shows, the result of a run."""

from typing import Any

import pydantic_core

from smithersd.cli.text.phrases import Phrase, one_line
from smithersd.limits import APPROVAL_LINE_LENGTH_MAX

_INDENT = "  "
_INLINE_LENGTH_MAX = 160
"""A longer value is printed below its name, as JSON."""


def result_lines(text: str, *, lines_max: int, whole: str) -> list[Phrase]:
    """Return the lines of a run's result, given as JSON; nothing for null.

    There are at most `lines_max`. If something is left out, one more line names `whole`, the command that shows
    everything.
    """
    value = pydantic_core.from_json(text)
    if value is None:
        return []
    lines = value_lines(value)
    is_cut = len(lines) > lines_max or any(len(line) > APPROVAL_LINE_LENGTH_MAX for line in lines)
    said = [one_line(line, is_indented=True, length_max=APPROVAL_LINE_LENGTH_MAX) for line in lines[:lines_max]]
    if len(lines) > lines_max:
        said[-1] = f"… {len(lines) - lines_max + 1} more lines"
    shown = [f"Result: {said[0]}"] if len(said) == 1 else ["Result:", *(f"{_INDENT}{line}" for line in said)]
    if is_cut:
        shown.append(f"{_INDENT}All of it: {whole}")
    return [Phrase(line, is_whole=True) for line in shown]


def value_lines(value: Any) -> list[str]:
    """Return a text as it is, a flat dict as names and values, anything else as JSON."""
    match value:
        case None:
            return ["nothing"]
        case str() if value.strip():
            return value.strip("\n").splitlines()
        case dict() if value and all(map(_is_short, map(_inline, value.values()))):
            return [f"{name}: {_inline(inner)}" for name, inner in value.items()]
        case _:
            return pydantic_core.to_json(value, indent=2).decode().splitlines()


def _is_short(text: str) -> bool:
    return len(text) <= _INLINE_LENGTH_MAX and "\n" not in text


def _inline(value: Any) -> str:
    return value if isinstance(value, str) else pydantic_core.to_json(value).decode()

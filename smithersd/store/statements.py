"""Named statements, and transactions as plain generators over them.

A transaction is a generator: it yields statements, is sent their rows, and returns a value. It does no I/O, so it is
said once for all backends: SQLite runs the whole generator in its writer thread, a networked database would await
each statement.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeVar

T = TypeVar("T")

Row = tuple[Any, ...]
Parameters = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement by name; its rows are sent back."""

    name: str
    parameters: Parameters = ()


@dataclass(frozen=True, slots=True)
class Many:
    """One statement for each of many parameter rows; nothing is sent back."""

    name: str
    parameters: Sequence[Parameters]


@dataclass(frozen=True, slots=True)
class Page:
    """One statement whose rows are sent back as far as their last columns fit; the first one in any case."""

    name: str
    parameters: Parameters
    bytes_max: int


Transaction = Generator[Statement | Many | Page, list[Row], T]

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements(now_ms: str) -> dict[str, str]:
    """Return all statements by name; `now_ms` is the backend's expression for its clock."""
    text = (resources.files("smithersd.store") / "sql" / "statements.sql").read_text(encoding="utf-8")
    parts = _HEADER.split(text)[1:]
    return {name: _body(body).replace("{now_ms}", now_ms) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _body(text: str) -> str:
    return "\n".join(line for line in text.strip().splitlines() if not line.startswith("--"))

"""Named statements, and transactions as plain generators over them.

A transaction is a generator: it yields statements, is sent their rows, and returns a value. It does no I/O, so it is
said once for all backends: SQLite runs the whole generator in its writer thread, PostgreSQL awaits each statement.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, TypeVar

T = TypeVar("T")

Row = Mapping[str, Any]
"""A row by column name."""
Parameters = Mapping[str, Any]
"""What a statement is given, by name."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement by name; its rows are sent back."""

    name: str
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Many:
    """One statement for each of many rows of parameters; nothing is sent back."""

    name: str
    parameters: Sequence[Parameters]


@dataclass(frozen=True, slots=True)
class Page:
    """One statement whose rows are sent back as far as their column `sized_by` fits; the first one in any case."""

    name: str
    parameters: Parameters
    sized_by: str
    bytes_max: int


Transaction = Generator[Statement | Many | Page, list[Row], T]

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_TABLE = re.compile(r"\{(\w+)\}")
_PARAMETER = re.compile(r"(?<!:):(\w+)")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database wants its statements."""

    name: str
    """Names the file of the statements that are its own."""
    now_ms: str
    """The expression for its clock in milliseconds."""
    has_named_parameters: bool
    """Whether it takes parameters by name (:run_id); else they are numbered ($1)."""
    table_prefix: str = ""
    """What stands before each table's name."""


@dataclass(frozen=True, slots=True)
class Text:
    """A statement as a database wants it, and its parameters in the order in which they first stand in it."""

    sql: str
    names: tuple[str, ...]

    def numbered(self, parameters: Parameters) -> list[Any]:
        """Return the values of numbered parameters."""
        return [parameters[name] for name in self.names]


@cache
def statements(dialect: Dialect) -> dict[str, Text]:
    """Return all statements by name, as the database wants them."""
    folder = resources.files("smithersd.store") / "sql"
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("statements.sql", f"{dialect.name}.sql")]
    parts = [part for text in texts for part in _HEADER.split(text)[1:]]
    return {name: _translated(body, dialect) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _translated(text: str, dialect: Dialect) -> Text:
    body = "\n".join(line for line in text.strip().splitlines() if not line.startswith("--"))
    body = body.replace("{now_ms}", dialect.now_ms)
    body = _TABLE.sub(lambda match: dialect.table_prefix + match[1], body)
    names = tuple(dict.fromkeys(_PARAMETER.findall(body)))
    if not dialect.has_named_parameters:
        body = _PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", body)
    return Text(body, names)

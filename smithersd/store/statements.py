"""Named statements, and transactions as plain generators over them.

A transaction is a generator: it yields statements, is sent their rows, and returns a value. It does no I/O, so it is
written once for all backends: SQLite runs the whole generator in its writer thread, PostgreSQL awaits each statement.
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
"""The values of a statement's parameters, by name."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, by its name; its rows are sent to the transaction."""

    name: str
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Many:
    """One statement that is executed for each of many sets of parameters; no rows are sent."""

    name: str
    parameters: Sequence[Parameters]


@dataclass(frozen=True, slots=True)
class Page:
    """One statement whose rows are sent as long as the column `sized_by` fits into `bytes_max`, but at least one."""

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
    """How to write statements for a database."""

    name: str
    """The name of the file with the statements that only this database has."""
    now_ms: str
    """The SQL expression for the database's time in milliseconds."""
    has_named_parameters: bool
    """Whether parameters have names (:run_id); otherwise they are numbered ($1)."""
    table_prefix: str = ""
    """The prefix of each table's name."""


@dataclass(frozen=True, slots=True)
class Text:
    """The SQL of a statement, and its parameters in the order of their first use."""

    sql: str
    names: tuple[str, ...]

    def numbered(self, parameters: Parameters) -> list[Any]:
        """Return the values for numbered parameters."""
        return [parameters[name] for name in self.names]


@cache
def statements(dialect: Dialect) -> dict[str, Text]:
    """Return all statements of a dialect by name."""
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

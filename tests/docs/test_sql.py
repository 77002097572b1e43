"""What people may read with SQL is there, under the names that are documented."""

import re
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from smithersd import open_store
from tests.docs.documents import ROOT, document

SQL = document("docs/reference/sql.md")
TABLES = re.findall(r"^## (\w+)$", SQL.text, re.MULTILINE)


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A store as a new version makes it."""
    async with open_store(tmp_path / "smithers.db"):
        return tmp_path / "smithers.db"


def test_every_documented_column_exists(file: Path) -> None:
    assert TABLES
    with closing(connect(file)) as connection:
        for table in TABLES:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            assert set(SQL.section(table).first_cells()) <= columns, table


def test_the_queries_run(file: Path) -> None:
    with closing(connect(file)) as connection:
        for query in SQL.blocks("sql"):
            connection.execute(query)


@pytest.mark.parametrize("table", TABLES)
def test_postgres_has_the_same_tables_with_a_prefix(table: str) -> None:
    migrations = (ROOT / "smithersd" / "store" / "sql" / "migrations" / "postgres").glob("*.sql")
    assert re.search(rf"CREATE (TABLE|VIEW) smithers_{table}\b", "".join(path.read_text() for path in migrations))

"""Two hosts that share a database, and ways to it that a test may break."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres.host import NAMED, Host
from tests.store.conftest import own_server, postgres_server
from tests.support.backends import PostgresBackend, postgres_database
from tests.support.network import Network, network
from tests.support.postgres_server import PostgresServer

__all__ = ["own_server", "postgres_server"]

collect_ignore_glob: list[str] = []
if subprocess.run([*NAMED, "a", "true"], capture_output=True, check=False).returncode != 0:
    collect_ignore_glob = ["test_*.py"]  # only root may name hosts


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[PostgresBackend]:
    """An empty database."""
    with asyncio.Runner() as runner:
        context = postgres_database(postgres_server)
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture
def here(tmp_path: Path, database: PostgresBackend) -> Iterator[Host]:
    """The host that drives."""
    made = Host(tmp_path / "here", database.url)
    yield made
    made.end()


@pytest.fixture
def there(tmp_path: Path, database: PostgresBackend) -> Iterator[Host]:
    """Another host."""
    made = Host(tmp_path / "there", database.url)
    yield made
    made.end()


@pytest.fixture
def way(postgres_server: PostgresServer) -> Iterator[Network]:
    """A way to the server."""
    with network(postgres_server.port) as made:
        yield made


@pytest.fixture
def cut_off(tmp_path: Path, database: PostgresBackend, way: Network) -> Iterator[Host]:
    """A host whose only way to the database is `way`."""
    made = Host(tmp_path / "cut-off", database.server.url(database.database, port=way.port) + "?connect_timeout=1")
    yield made
    made.end()

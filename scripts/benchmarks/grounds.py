"""Where runs are measured: a kind of store, empty each time, and its bare loop."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from benchmarks import bare, bare_postgres
from benchmarks.workflows import folder
from smithersd import open_store
from tests.support.postgres_server import PostgresServer, running_server


class Ground(Protocol):
    """A kind of store."""

    def empty(self) -> AbstractAsyncContextManager[str]:
        """Return the URL of a store that has nothing in it."""

    async def bare_s(self, url: str, *, ends_per_commit: int) -> float:
        """Write a finished run again by the bare loop; return how long that took."""


class SqliteGround:
    """A file on the project's own disk."""

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        """Return the URL of a store that has nothing in it."""
        with folder() as path:
            yield f"sqlite:///{path / 'smithers.db'}"

    async def bare_s(self, url: str, *, ends_per_commit: int) -> float:
        """Write a finished run again by the bare loop; return how long that took."""
        path = Path(url.removeprefix("sqlite:///"))
        other = path.with_name("bare.db")
        async with open_store(other):
            pass  # the same tables, and nothing in them
        return bare.write_s(other, bare.recording_of(path, ends_per_commit=ends_per_commit))


@dataclass(frozen=True, slots=True)
class PostgresGround:
    """Schemas of a server that loses nothing when the power fails."""

    server: PostgresServer
    _numbers: Iterator[int] = field(default_factory=count)

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        """Return the URL of a store that has nothing in it."""
        url = self._schema_url()
        async with open_store(url):
            pass
        yield url

    async def bare_s(self, url: str, *, ends_per_commit: int) -> float:
        """Write a finished run again by the bare loop; return how long that took."""
        recording = await bare_postgres.recording_of(url, ends_per_commit=ends_per_commit)
        async with self.empty() as other:
            return await bare_postgres.write_s(other, recording)

    def _schema_url(self) -> str:
        return f"{self.server.url('postgres')}?schema=bench_{next(self._numbers)}"


@contextmanager
def postgres_ground() -> Iterator[PostgresGround]:
    """Start a server from the wheel, as the tests do, but with its commits on the disk."""
    with running_server() as server:
        server.stop("fast")
        server.start(fsync="on")
        yield PostgresGround(server)

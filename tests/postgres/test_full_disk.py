"""The server's disk is full: the run waits, its tasks go on, and it goes on by itself when there is room."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from smithersd.core.log.states import RunStatus
from tests.postgres.host import Host
from tests.support.backends import PostgresBackend
from tests.support.postgres_server import PostgresServer, own

FLOW = """
import secrets

async def tick(n):
    with open("effects", "a") as file: file.write(f"{n}\\n")
    return secrets.token_hex(30_000)

@workflow
def ticking(ctx):
    return Sequence(*(Task(f"tick-{n}", tick, n) for n in range(60)))
"""


@pytest.fixture
def small_disk(own_server: PostgresServer) -> Iterator[Path]:
    """A file system of 16 MiB that holds the tables."""
    folder = own_server.folder / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    own(folder)
    backend = PostgresBackend(own_server, "postgres")
    asyncio.run(backend.execute(f"CREATE TABLESPACE small LOCATION '{folder}'"))
    asyncio.run(backend.execute("ALTER DATABASE postgres SET default_tablespace = small"))
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_of_the_server_pauses_the_run_until_there_is_room(
    tmp_path: Path, own_server: PostgresServer, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    host = Host(tmp_path / "here", own_server.url("postgres"))
    host.write(FLOW)
    ballast.write_bytes(bytes(14_500_000))
    process = host.up("--run-id", "r", "--serve", "--port", "0")
    try:
        process.until_text("the store is not available, the run waits for it: .*No space left")
        assert process.request("/ready")[0] == 503
        ballast.unlink()
        process.until_text("Run finished")
        assert host.state("r").status is RunStatus.FINISHED
        assert host.lines("effects") == [str(number) for number in range(60)]
    finally:
        host.end()

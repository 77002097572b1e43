"""The server dies and its replica becomes the server: a run whose URL names both goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres.host import Host
from tests.postgres.test_faults import STEPS, has_done, living_run
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import until


@pytest.fixture
def replica(own_server: PostgresServer) -> Iterator[PostgresServer]:
    """A replica that has all that the server has confirmed."""
    made = own_server.replica()
    made.start()
    try:
        own_server.stop("fast")
        own_server.start(synchronous_standby_names="*")
        yield made
    finally:
        made.stop()


@pytest.fixture
def host(tmp_path: Path, own_server: PostgresServer, replica: PostgresServer) -> Iterator[Host]:
    """A host that knows both servers."""
    one, other = (f"127.0.0.1:{server.port}" for server in (own_server, replica))
    url = own_server.url("postgres").replace(one, f"{one},{other}")
    made = Host(tmp_path / "here", f"{url}?target_session_attrs=primary&connect_timeout=2")
    yield made
    made.end()
    own_server.start()  # since who gave it will stop it


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_goes_on_with_the_promoted_replica(
    host: Host, own_server: PostgresServer, replica: PostgresServer
) -> None:
    with living_run(host) as process:
        own_server.stop()
        process.until_text("the store is not available, the run waits for it")
        replica.promote()
        until(lambda: "is available again" in process.text, lambda: process.text)
        has_done(host, STEPS)

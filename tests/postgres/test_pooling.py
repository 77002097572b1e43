"""A real pgbouncer between a run and its database, which gives each transaction a session of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.postgres.host import Host
from tests.support.backends import PostgresBackend
from tests.support.flows import ASKING
from tests.support.place import request
from tests.support.ports import free_port
from tests.support.postgres_server import PASSWORD, USER
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="there is no pgbouncer here")

CONFIGURATION = """
[databases]
{database} = host=127.0.0.1 port={server_port} user={user} password='{password}'

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
"""


@pytest.fixture
def pooled_url(tmp_path: Path, database: PostgresBackend) -> Iterator[str]:
    """A way to the database by a pooling proxy."""
    port = free_port()
    text = CONFIGURATION.format(
        database=database.database, server_port=database.server.port, user=USER, password=PASSWORD, port=port
    )
    configuration = tmp_path / "pgbouncer.ini"
    configuration.write_text(text)
    who: dict[str, Any] = {"user": 65_534, "group": 65_534, "extra_groups": []} if os.getuid() == 0 else {}
    with configuration.open() as standard_input, (tmp_path / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen(["pgbouncer", "/dev/stdin"], stdin=standard_input, stdout=log, stderr=log, **who)
    try:
        until(lambda: "process up" in (tmp_path / "pgbouncer.log").read_text(), "pgbouncer")
        yield database.server.url(database.database, port=port)
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("is_direct", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_runs_and_decisions_pass_a_pooling_proxy(
    here: Host, there: Host, database: PostgresBackend, pooled_url: str, *, is_direct: bool
) -> None:
    listen = f"&listen_url={quote(database.url, safe='')}" if is_direct else ""
    here.url = there.url = f"{pooled_url}?pooling=transaction{listen}"
    here.write(ASKING)
    driver = here.up("--run-id", "r", "--serve", "--port", "0")
    driver.until_text("smithers approve")
    server = there.start("serve", "r", "--port", "0")
    assert request(f"{server.url}/approve/approval", {})[0] == 200
    driver.until_text("Run finished")
    assert driver.request("/ready")[0] == 200
    until(lambda: server.request("/")[1]["status"] == "finished", "the end on the other host")
    assert PASSWORD not in driver.text + server.text


def test_a_proxy_that_the_url_does_not_name_is_refused(here: Host, pooled_url: str) -> None:
    """It would give us sessions in which other clients have prepared other statements under the same names."""
    here.url = pooled_url
    here.write(ASKING)
    code, text = here.run("up", "flow.py", "--run-id", "r", "--no-wait")
    assert code == 4
    assert "?pooling=transaction" in text

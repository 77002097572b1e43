"""Drivers on several hosts, stopped, woken and killed in any order: whatever happens, there is one log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.drivers.test_drivers import play
from tests.postgres.host import NAMED, Host
from tests.support.backends import PostgresBackend
from tests.support.place import Process


class Hosts(Host):
    """A folder that hosts share; each process is on a host of its own."""

    def start(self, *arguments: str, within: tuple[str, ...] = (), **env: str) -> Process:
        """Start a command of `smithers` on a new host."""
        named = (*NAMED, f"host-{len(self.processes)}", *within)
        return super().start(*arguments, within=named, **env)


@pytest.fixture
def hosts(tmp_path: Path, database: PostgresBackend) -> Iterator[Hosts]:
    made = Hosts(tmp_path / "shared", database.url)
    yield made
    made.end()


def test_two_hosts_that_are_stopped_woken_and_killed_write_one_log(hosts: Hosts) -> None:
    play(hosts, count=2, steps=20, events=1)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("count", [2, 3])
def test_hosts_that_are_stopped_woken_and_killed_write_one_log_over_a_long_run(hosts: Hosts, count: int) -> None:
    play(hosts, count=count, steps=200, events=35)

"""A real manager for the tests; where there can be none, they are skipped and say why. CI installs what it takes."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.systemd import Manager, Service, running_manager

SYSTEMD = Path("/lib/systemd/systemd")


def what_is_missing() -> str | None:
    """Why there can be no manager here, or None."""
    if os.getuid() != 0:
        return "a systemd manager for tests needs root"
    if not SYSTEMD.exists() and os.environ.get("CI") == "true":
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "systemd"]):
            subprocess.check_call(["apt-get", "--quiet", *command])
    if not SYSTEMD.exists():
        return f"there is no {SYSTEMD}: install the package systemd"
    return next((f"there is no {one}" for one in ("nsenter", "setpriv", "unshare") if not shutil.which(one)), None)


@pytest.fixture(scope="session")
def systemd() -> None:
    """Skip where there is no systemd; in CI that is a failure."""
    missing = what_is_missing()
    if missing is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def manager(systemd: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """A manager of root's."""
    with running_manager("root", tmp_path_factory.mktemp("manager")) as manager:
        yield manager


@pytest.fixture
def service(manager: Manager, tmp_path: Path) -> Iterator[Callable[[str], Service]]:
    """Make a run of a workflow as a service; it is gone after the test."""
    made: list[Service] = []

    def make(workflow: str) -> Service:
        made.append(Service(manager, tmp_path / f"place-{len(made)}", f"r{tmp_path.name[-20:]}-{len(made)}", workflow))
        return made[-1]

    yield make
    for one in made:
        manager.systemctl("stop", one.socket, one.unit, check=False)
        manager.systemctl("reset-failed", check=False)

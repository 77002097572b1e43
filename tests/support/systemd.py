"""A systemd user manager of its own (see `with_systemd`), and a run as a service of it."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, until

SCRIPT = Path(__file__).with_name("with_systemd")
CHECKOUT = Path(__file__).parents[2]


class Manager:
    """Reaches into the namespaces where the manager lives."""

    def __init__(self, holder: psutil.Process, user: str, home: Path) -> None:
        self.home = home
        self._holder = holder
        self.user = user
        uid = int(subprocess.check_output(["id", "-u", user], text=True))
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_RUNTIME_DIR": f"/run/user/{uid}",
            "PYTHONPATH": str(CHECKOUT),
        }

    def run(self, *command: str, check: bool = True, cwd: Path | None = None) -> str:
        """Run a command as the manager's user, where it lives; return what it printed."""
        enter = ["nsenter", "--target", str(self._holder.pid), "--mount", "--pid"]
        become = ["setpriv", "--reuid", self.user, "--regid", self._group, "--clear-groups"]
        done = subprocess.run(
            [*enter, f"--wd={cwd or self.home}", *become, *command],
            env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}"
        return done.stdout

    def smithers(self, *arguments: str, cwd: Path) -> str:
        """Run a command of ours beside the manager."""
        return self.run(sys.executable, "-m", "smithersd", *arguments, cwd=cwd)

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """Speak to the manager."""
        return self.run("systemctl", "--user", *arguments, check=check)

    def journal(self, *options: str) -> str:
        """Everything that was printed in there, by all units, or what `journalctl` selects of it."""
        enter = ["nsenter", "--target", str(self._holder.pid), "--mount", "--pid"]
        return subprocess.check_output([*enter, "journalctl", "--output=cat", *options], text=True)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in there."""
        return self._holder.children(recursive=True)

    @property
    def _group(self) -> str:
        return subprocess.check_output(["id", "-g", self.user], text=True).strip()


@contextmanager
def running_manager(user: str, home: Path) -> Iterator[Manager]:
    """A manager that lasts as long as the `with`."""
    (home / "config").mkdir(exist_ok=True)
    subprocess.check_call(["chown", "-R", user, str(home)])
    exposed = dict.fromkeys([str(CHECKOUT), sys.prefix, sys.base_prefix])
    config = str(home / "config")
    environ = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": config, "EXPOSED": ":".join(exposed)}
    command = [str(SCRIPT), user, "sh", "-c", "echo up; exec cat"]
    with subprocess.Popen(
        command, env=environ, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as script:
        try:
            assert script.stdout is not None
            assert script.stdout.readline() == "up\n", "the manager did not start; what it said stands above"
            holder = next(p for p in psutil.Process(script.pid).children(recursive=True) if _inner_pid(p) == "1")
            yield Manager(holder, user, home)
        finally:
            script.communicate()


def _inner_pid(process: psutil.Process) -> str:
    """The id that a process has in its own namespace."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (numbers,) = (line.split() for line in status.splitlines() if line.startswith("NSpid:"))
    return numbers[-1]


class Service:
    """One run as a service, in a folder of its own."""

    def __init__(self, manager: Manager, folder: Path, run_id: str, workflow: str) -> None:
        self.manager = manager
        self.folder = folder
        self.run_id = run_id
        self.unit = f"smithersd@{run_id}.service"
        self.socket = f"smithersd@{run_id}.socket"
        self.port = free_port()
        self.token: str | None = None
        (folder / ".smithers").mkdir(parents=True)  # so that none is looked for further up
        for made in (folder, folder / ".smithers"):
            shutil.chown(made, manager.user)
        (folder / "flow.py").write_text(workflow)

    def install(self, *options: str) -> None:
        """Write its unit files, as a user would."""
        arguments = ["systemd", "install", "flow.py", "--run-id", self.run_id, "--port", str(self.port), *options]
        self.manager.smithers(*arguments, cwd=self.folder)
        self.configure("Environment=PYTHONPATH=" + str(CHECKOUT))

    def configure(self, *lines: str, section: str = "Service") -> None:
        """Add to its unit file, and let the manager read it."""
        path = self._units / f"{self.unit}.d" / f"test-{len(self.unit_files())}.conf"
        path.write_text("\n".join([f"[{section}]", *lines, ""]))
        self.manager.systemctl("daemon-reload")

    @property
    def _units(self) -> Path:
        return self.manager.home / "config" / "systemd" / "user"

    def unit_files(self) -> list[Path]:
        """What was written for this run alone."""
        return [path for unit in (self.unit, self.socket) for path in (self._units / f"{unit}.d").glob("*.conf")]

    def start(self) -> None:
        try:
            self.manager.systemctl("start", self.unit)
        except AssertionError as error:
            error.add_note("\n".join(self.manager.journal().splitlines()[-30:]))
            raise

    def stop(self) -> None:
        self.manager.systemctl("stop", self.unit)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.manager.systemctl("show", f"--property={name}", "--value", self.unit).strip()

    @property
    def main_process(self) -> psutil.Process:
        """The run's process, by the id that it has out here."""
        pid = self.show("MainPID")
        return next(process for process in self.manager.processes() if _inner_pid(process) == pid)

    def request(self, path: str, *, method: str = "GET") -> Any:
        """Ask the server."""
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
            return json.load(response)

    def await_status(self, status: str) -> None:
        """Wait until the run stands so; a server that is away for a moment comes back."""

        def stands_so() -> bool:
            try:
                found = self.request("/")
            except (urllib.error.URLError, ConnectionError):
                return False
            assert found["runId"] == self.run_id
            return bool(found["status"] == status)

        try:
            until(stands_so, f"the status {status!r}")
        except AssertionError as error:
            error.add_note("\n".join(self.manager.journal().splitlines()[-30:]))
            raise

    def effects(self, name: str = "effects") -> list[str]:
        """What the workflow has done: the lines of a file in its folder."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

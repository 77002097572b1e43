"""A folder with workflow files, real `smithers` processes in it, and what they leave behind."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from smithersd.core.log.event_json import decode
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState, fold
from smithersd.store import Store, open_store
from smithersd.store.records import RunRow
from tests.support.waiting import DEADLINE_S, until

T = TypeVar("T")

SMITHERS = (sys.executable, "-m", "smithersd")
MARK = "TEST_PLACE"
"""The environment variable by which all that is started in a place is known."""
PRELUDE = """
import asyncio, os, signal, sys, time
from pathlib import Path
from smithersd import *
from smithersd import task_context
"""


def request(url: str, body: Any = None, *, method: str | None = None, **headers: str) -> tuple[int, Any]:
    """Ask a server; a body makes it a POST."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=DEADLINE_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


class Process:
    """A running `smithers`, with all that it writes in a file."""

    def __init__(self, command: tuple[str, ...], folder: Path, output: Path, env: dict[str, str]) -> None:
        self._output = output
        with output.open("w") as file:
            self.popen = subprocess.Popen(
                command,
                cwd=folder,
                env={**clean_environment(), MARK: str(folder), **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self._output.read_text()

    def until_text(self, pattern: str) -> re.Match[str]:
        """Wait until the process has written something."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.text)
            assert match or self.popen.poll() is None, f"it ended without {pattern!r}:\n{self.text}"
            return match

        return until(found, lambda: f"{pattern!r} in\n{self.text}")

    @property
    def url(self) -> str:
        return self.until_text(r"Serving at (\S+)")[1]

    @property
    def run_id(self) -> str:
        return self.until_text(r"Run (\S+) of")[1]

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        self.popen.kill()
        self.wait()

    def wait(self) -> int:
        return self.popen.wait(DEADLINE_S)

    def end(self) -> None:
        """At the end of a test: nothing stays."""
        self.popen.kill()
        self.popen.wait()

    def request(self, path: str, body: Any = None, *, method: str | None = None, **headers: str) -> tuple[int, Any]:
        """Ask the run's server; a body makes it a POST."""
        return request(self.url + path, body, method=method, **headers)


class Place:
    """A working directory with a state folder of its own, since a folder above it might have one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_folder = folder / ".smithers"
        self.state_folder.mkdir(mode=0o700, parents=True)
        self.processes: list[Process] = []

    @property
    def store_url(self) -> str | Path:
        """Where the runs are kept."""
        return self.state_folder / "smithers.db"

    def write(self, text: str, name: str = "flow.py") -> None:
        """Write a workflow file; it need not import the usual things."""
        (self.folder / name).write_text(PRELUDE + textwrap.dedent(text))

    def start(self, *arguments: str, within: tuple[str, ...] = (), **env: str) -> Process:
        """Start a command of `smithers`, perhaps within another command."""
        output = self.folder / f"output-{len(self.processes)}"
        process = Process((*within, *SMITHERS, *arguments), self.folder, output, env)
        self.processes.append(process)
        return process

    def up(self, *arguments: str, **env: str) -> Process:
        """Start `smithers up flow.py ...`."""
        return self.start("up", "flow.py", *arguments, within=(), **env)

    def run(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it wrote."""
        process = self.start(*arguments, within=(), **env)
        return process.wait(), process.text

    def state(self, run_id: str) -> RunState:
        """Fold a run's log."""
        return fold(run_id, self.log(run_id))

    def log(self, run_id: str) -> list[Recorded]:
        """Read a run's log."""
        return asyncio.run(self._log(run_id))

    def types(self, run_id: str) -> list[str]:
        """The types of a run's events."""
        return [type(one.event).__name__ for one in self.log(run_id)]

    def row(self, run_id: str) -> RunRow | None:
        """Read a run's row."""
        return asyncio.run(self._row(run_id))

    async def _row(self, run_id: str) -> RunRow | None:
        async with open_store(self.store_url) as store:
            return await store.find_run(run_id)

    async def _log(self, run_id: str) -> list[Recorded]:
        recorded: list[Recorded] = []
        async with open_store(self.store_url) as store:
            while rows := await self._page(store, run_id, recorded):
                recorded += rows
        assert [one.seq for one in recorded] == list(range(len(recorded))), "the log has gaps"
        return recorded

    async def _page(self, store: Store, run_id: str, known: list[Recorded]) -> list[Recorded]:
        rows = await store.events(run_id, after_seq=len(known) - 1)
        return [Recorded(row.seq, row.timestamp_ms, decode(row.payload)) for row in rows]

    def halt(self, pid: int) -> None:
        """Stop a process as a machine that hangs does, at a moment when it does not hold the store's lock.

        SQLite's lock stays with a stopped process, and everybody would wait for it.
        """

        def is_halted() -> bool:
            os.kill(pid, signal.SIGSTOP)
            until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "its stop")
            if self._is_writable():
                return True
            os.kill(pid, signal.SIGCONT)
            return False

        until(is_halted, "a moment without the lock")

    def _is_writable(self) -> bool:
        with closing(sqlite3.connect(self.state_folder / "smithers.db", timeout=0, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            database.execute("ROLLBACK")
            return True

    def lines(self, name: str) -> list[str]:
        """The lines of a file that tasks write to."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def processes_left(self) -> list[int]:
        """The processes that were started from here, daemons and commands of tasks included, and still live."""
        entry = f"{MARK}={self.folder}".encode()
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return [pid for pid in pids if entry in environment_of(pid)]

    def end(self) -> None:
        for process in self.processes:
            process.end()
        while left := self.processes_left():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SMITHERS_")}


def environment_of(pid: int) -> list[bytes]:
    """What /proc shows of a process's environment; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []

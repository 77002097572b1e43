"""A place where daemons are started, and commands are run in this process, which is faster than one for each."""

import io
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smithersd.cli import main
from smithersd.daemon.pidfile import held_pid
from tests.acceptance.place import MARK, SMITHERS, Place, clean_environment, request, until


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Daemon:
    """A run in the background."""

    run_id: str
    url: str | None
    pid: int
    log_file: Path
    pid_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def is_alive(self) -> bool:
        return is_alive(self.pid)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def until_log(self, text: str) -> None:
        until(lambda: text in self.log, lambda: f"{text!r} in\n{self.log}")

    def until_ended(self) -> None:
        until(lambda: not self.is_alive, lambda: f"the end of {self.pid}:\n{self.log}")

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.until_ended()
        until(lambda: held_pid(self.pid_file) is None, "the end of its last thread")

    def request(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        assert self.url is not None
        return request(self.url + path, body, **headers)


class DaemonPlace(Place):
    """A working directory for daemons."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._unread: list[int] = []

    def call(self, *arguments: str, **env: str) -> Said:
        """Run a command in this process."""
        out, err = _stream(), _stream()
        code: Any = 0
        env = {**clean_environment(), MARK: str(self.folder), **env}
        with _environment(env), chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            try:
                main(list(arguments))
            except SystemExit as end:
                code = end.code
        return Said(int(code or 0), _text(out), _text(err))

    def detach(self, *arguments: str, **env: str) -> Daemon:
        """Start `smithers up flow.py -d ...`; its run must begin."""
        said = self.call("up", "flow.py", "-d", "--json", *arguments, **env)
        assert said.code == 0, said.err
        told = json.loads(said.out)
        return Daemon(told["runId"], told["url"], told["pid"], Path(told["logFile"]), Path(told["pidFile"]))

    def serve(self, *arguments: str, **env: str) -> Daemon:
        """Start a daemon that serves its run on a free port."""
        return self.detach("--serve", "--port", "0", *arguments, **env)

    def start_unread(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command whose stderr is a pipe that nobody reads."""
        reading, writing = os.pipe()
        env = {**clean_environment(), MARK: str(self.folder)}
        popen = subprocess.Popen((*SMITHERS, *arguments), cwd=self.folder, env=env, stderr=writing)
        os.close(writing)
        self._unread.append(reading)
        return popen

    def end(self) -> None:
        for reading in self._unread:
            os.close(reading)
        super().end()

    def status(self, run_id: str) -> str:
        return self.state(run_id).status.value

    def has_nothing_of(self, run_id: str) -> bool:
        """Whether neither a process nor a file of a run's process is there."""
        folder = self.state_folder / "runs" / run_id
        return not self.processes_left() and not (folder / "pid").exists() and not (folder / "meta.json").exists()


def is_alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """The processes that a process has begun, and theirs."""
    direct = [
        int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()
    ]
    return [*direct, *(each for one in direct for each in children_of(one))]


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@contextmanager
def _environment(env: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

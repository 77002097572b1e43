"""A place where daemons are started, and commands are run in this process, which is faster than one for each."""

import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smithersd.cli import main
from smithersd.posix.process.pidfile import held_pid
from tests.support.place import MARK, SMITHERS, Place, clean_environment, request
from tests.support.waiting import until

PID_NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")


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

    def signal_until_ended(self, number: signal.Signals) -> None:
        """Send a signal again and again until the process has ended: two at once would arrive as one."""

        def has_ended() -> bool:
            with suppress(ProcessLookupError):
                self.signal(number)
            return not self.is_alive

        until(has_ended, lambda: f"the end of {self.pid}:\n{self.log}")

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


class Terminal:
    """A terminal whose other end we hold."""

    def __init__(self) -> None:
        self._master, self.line = os.openpty()

    def close(self) -> None:
        """Hang up."""
        os.close(self._master)


class DaemonPlace(Place):
    """A working directory for daemons."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._unread: list[int] = []

    def call(self, *arguments: str, **env: str) -> Said:
        """Run a command in this process; no `up` in the foreground, which ends its process when it has ended."""
        assert arguments[0] != "up" or {"-d", "--daemon"} & {*arguments}, "start it as a process"
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
        self._unread.append(reading)
        return self._popen(arguments, stderr=writing)

    @contextmanager
    def start_wrapped(self, wrapper: tuple[str, ...], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Start a command by way of another one, which is killed at the end of the `with`."""
        popen = self._popen(arguments, wrapper=wrapper, stdout=subprocess.DEVNULL)
        try:
            yield popen
        finally:
            popen.kill()
            popen.wait()

    @contextmanager
    def start_in_pid_namespace(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Start a command whose process ids are not those of here, as in a container; it is killed at the end."""
        if (
            shutil.which("unshare") is None
            or subprocess.run([*PID_NAMESPACE, "true"], capture_output=True, check=False).returncode
        ):
            pytest.skip("no namespaces can be made here")
        with self.start_wrapped(PID_NAMESPACE, *arguments) as popen:
            yield popen

    def start_in_session(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command that has no terminal, and reports to nobody."""
        return self._popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def start_in_terminal(
        self, *arguments: str, ignored: signal.Signals | None = None
    ) -> tuple["subprocess.Popen[bytes]", "Terminal"]:
        """Start a command in a terminal of its own."""
        terminal = Terminal()

        def enter() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if ignored is not None:
                signal.signal(ignored, signal.SIG_IGN)

        stdio = {"stdin": terminal.line, "stdout": terminal.line, "stderr": terminal.line}
        popen = self._popen(arguments, start_new_session=True, preexec_fn=enter, wrapper=(), **stdio)
        return popen, terminal

    def _popen(
        self, arguments: tuple[str, ...], *, wrapper: tuple[str, ...] = (), **options: Any
    ) -> "subprocess.Popen[bytes]":
        env = {**clean_environment(), MARK: str(self.folder), "TERM": "dumb"}
        popen = subprocess.Popen((*wrapper, *SMITHERS, *arguments), cwd=self.folder, env=env, **options)
        for stream in {value for value in options.values() if isinstance(value, int) and value > 2}:
            os.close(stream)
        return popen

    def end(self) -> None:
        for reading in self._unread:
            os.close(reading)
        super().end()

    def status(self, run_id: str) -> str:
        return self.state(run_id).status.value

    def types_of(self, run_id: str) -> list[str]:
        """The types of a run's events, none while there is no store."""
        return self.types(run_id) if (self.state_folder / "smithers.db").exists() else []

    def has_nothing_of(self, run_id: str) -> bool:
        """Whether neither a process nor a file of a run's process is there."""
        folder = self.state_folder / "runs" / run_id
        return not self.processes_left() and not (folder / "pid").exists() and not (folder / "meta.json").exists()


def is_alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in {"Z", "X"} or int(fields[17]) > 1  # with a thread left


def children_of(pid: int) -> list[int]:
    """The processes that a process has begun, and theirs, as far as they live."""
    direct: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            direct += map(int, (task / "children").read_text().split())
    return [*direct, *(each for one in direct for each in children_of(one))]


def command_of(pid: int) -> str:
    """The name of the program that a process runs, nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


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

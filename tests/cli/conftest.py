"""The command line over real stores with real runs, in a folder of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smithersd.cli import main
from smithersd.core.log.states import RunStatus
from smithersd.daemon.state.folder import find_state_folder
from smithersd.engine import UNSET, RunOptions, StartMode, drive_to_end, load_workflow, start_run
from smithersd.store import Store, open_store
from tests.support.waiting import DEADLINE_S, until

FLOWS = Path(__file__).with_name("flows.py")


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with nothing of ours above it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMITHERS_STORE", raising=False)
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setenv("PYTHONPATH", str(FLOWS.parents[2]))
    assert find_state_folder().path == tmp_path / ".smithers", "a state folder above would be taken for ours"
    return tmp_path


@pytest.fixture
def smithers(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in this process."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main(list(arguments))
        captured = capsys.readouterr()
        return Said(int(exit_info.value.code or 0), captured.out, captured.err)

    return run


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a command as a process."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-m", "smithersd", *arguments], **pipes)


def finish(process: subprocess.Popen[str]) -> Said:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=DEADLINE_S)
    return Said(process.returncode, out, err)


def in_store(work: Callable[[Store], Any]) -> Any:
    """Do something with the store of the working directory."""

    async def opened() -> Any:
        async with open_store(Path(".smithers/smithers.db")) as store:
            return await work(store)

    return asyncio.run(opened())


def run_flow(name: str, run_id: str, *, input: Any = UNSET, mode: StartMode = StartMode.NEW) -> RunStatus:
    """Run a workflow in this process until it has ended or only waits remain; then it is suspended."""

    async def drive(store: Store) -> RunStatus:
        source = load_workflow(f"{FLOWS}:{name}")
        options = RunOptions(mode=mode, suspend_when_waiting=True)
        engine = await start_run(source, store=store, run_id=run_id, input=input, options=options)
        return await drive_to_end(engine)

    status: RunStatus = in_store(drive)
    return status


@contextmanager
def driving(name: str, run_id: str, status: RunStatus, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Let another process drive a run; the block begins when the run stands so."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with start("up", f"{FLOWS}:{name}", "--run-id", run_id, *flags, **quiet) as process:
        try:
            wait_for_status(run_id, status)
            yield process
        finally:
            process.kill()


def wait_for_status(run_id: str, status: RunStatus) -> None:
    """Look until a run stands so."""

    async def stands_so(store: Store) -> bool:
        run = await store.find_run(run_id)
        return run is not None and run.status is status

    store = Path(".smithers/smithers.db")
    until(lambda: store.exists() and in_store(stands_so), f"{run_id} to become {status}")


def kill(process: subprocess.Popen[str]) -> None:
    """End a process at once, without a word."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait(DEADLINE_S)

"""The command lines by which a run goes on, ready to be pasted."""

import shlex
import shutil
import sys
from pathlib import Path

from smithersd.daemon.state.storage import Storage

_NAME = "smithers"


def decide(verb: str, run_id: str, node_id: str, iteration: int, *, storage: Storage) -> str:
    """`smithers approve RUN --node NODE` (or deny); with storage flags where the run would not be found without."""
    which = ("--iteration", str(iteration)) if iteration else ()
    return _command(verb, run_id, "--node", node_id, *which, storage=storage)


def resume(run_id: str, workflow_path: str | None, *, storage: Storage, is_forced: bool = False) -> str:
    """`smithers up FILE --run-id RUN --resume`; `is_forced` takes the run from the process that holds it."""
    forced = ("--force",) if is_forced else ()
    return _command("up", near(workflow_path), "--run-id", run_id, "--resume", *forced, storage=storage)


def follow(run_id: str, *, storage: Storage) -> str:
    """`smithers events RUN -f`."""
    return _command("events", run_id, "-f", storage=storage)


def down(run_id: str, *, storage: Storage, standby_pid_file: str | None = None) -> str:
    """`smithers down RUN`; with the pidfile of a standby only that process is ended."""
    standby = ("--suspend", "--pid-file", standby_pid_file) if standby_pid_file is not None else ()
    return _command("down", run_id, *standby, storage=storage)


def inspect(run_id: str, *, storage: Storage, is_json: bool = False) -> str:
    """`smithers inspect RUN`; the JSON is not shortened."""
    return _command("inspect", run_id, *(("--json",) if is_json else ()), storage=storage)


def suspend(run_id: str, *, storage: Storage) -> str:
    """`smithers down RUN --suspend`."""
    return _command("down", run_id, "--suspend", storage=storage)


def start_from(run_id: str, workflow_path: str | None, *, storage: Storage) -> str:
    """`smithers up FILE --from RUN`: a new run that reuses the outputs of this one."""
    return _command("up", near(workflow_path), "--from", run_id, storage=storage)


def _command(*words: str, storage: Storage) -> str:
    return shlex.join((_program(), *words, *storage.flags()))


def _program() -> str:
    """Return this program as the shell finds it: its name, or its path where it is not on PATH."""
    started_as = Path(sys.argv[0])
    if started_as.name != _NAME or shutil.which(_NAME) is not None:
        return _NAME
    return near(str(started_as.absolute()))


def near(path: str | None) -> str:
    """Return a path relative to the working directory where possible; a run that was started from Python has none."""
    if path is None:
        return "WORKFLOW.py"
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path

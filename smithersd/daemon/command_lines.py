"""Command lines about a run, for messages: a person can paste them into a shell."""

import shlex
import shutil
import sys
from pathlib import Path

from smithersd.core.log.states import WaitKind
from smithersd.daemon.state.storage import Storage
from smithersd.query.waits import PendingWait

_NAME = "smithers"


def decide(verb: str, run_id: str, node_id: str, iteration: int, *, storage: Storage) -> str:
    """Return `smithers approve RUN --node NODE` (or deny).

    Like all of these, with the flags of the storage if the run would not be found without them.
    """
    which = ("--iteration", str(iteration)) if iteration else ()
    return _command(verb, run_id, "--node", node_id, *which, storage=storage)


def end_wait(verb: str, run_id: str, wait: PendingWait, *, storage: Storage) -> str:
    """Return the command that ends a wait: `smithers fire RUN NODE`, `smithers signal RUN NAME --key K` and so on."""
    if wait.kind is WaitKind.APPROVAL:
        return decide(verb, run_id, wait.node_id, wait.iteration, storage=storage)
    if wait.kind is WaitKind.SIGNAL:
        key = () if wait.correlation_id is None else ("--key", wait.correlation_id)
        return _command(verb, run_id, wait.target, *key, storage=storage)
    which = ("--iteration", str(wait.iteration)) if wait.iteration else ()
    return _command(verb, run_id, wait.target, *which, storage=storage)


def resume(run_id: str, workflow_path: str | None, *, storage: Storage, is_forced: bool = False) -> str:
    """Return `smithers up FILE --run-id RUN --resume`; with `is_forced` it takes the run from its process."""
    forced = ("--force",) if is_forced else ()
    return _command("up", relative_path(workflow_path), "--run-id", run_id, "--resume", *forced, storage=storage)


def follow(run_id: str, *, storage: Storage) -> str:
    """Return `smithers events RUN -f`."""
    return _command("events", run_id, "-f", storage=storage)


def down(run_id: str, *, storage: Storage, standby_pid_file: str | None = None) -> str:
    """Return `smithers down RUN`; with the pidfile of a standby it ends only that process."""
    standby = ("--suspend", "--pid-file", standby_pid_file) if standby_pid_file is not None else ()
    return _command("down", run_id, *standby, storage=storage)


def inspect(run_id: str, *, storage: Storage, is_json: bool = False) -> str:
    """Return `smithers inspect RUN`, with `is_json` as JSON, which shortens nothing."""
    return _command("inspect", run_id, *(("--json",) if is_json else ()), storage=storage)


def suspend(run_id: str, *, storage: Storage) -> str:
    """Return `smithers down RUN --suspend`."""
    return _command("down", run_id, "--suspend", storage=storage)


def start_from(run_id: str, workflow_path: str | None, *, storage: Storage) -> str:
    """Return `smithers up FILE --from RUN`, which starts a new run that reuses the outputs of this one."""
    return _command("up", relative_path(workflow_path), "--from", run_id, storage=storage)


def _command(*words: str, storage: Storage) -> str:
    return shlex.join((_program(), *words, *storage.flags()))


def _program() -> str:
    """Return this program as the shell finds it: its name, or its path if it is not on PATH."""
    started_as = Path(sys.argv[0])
    if started_as.name != _NAME or shutil.which(_NAME) is not None:
        return _NAME
    return relative_path(str(started_as.absolute()))


def relative_path(path: str | None) -> str:
    """Return a path relative to the working directory if it is inside; a placeholder if the run has no file."""
    if path is None:
        return "WORKFLOW.py"
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path

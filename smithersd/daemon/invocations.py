"""The commands that get a run on, as a person would paste them."""

import shlex
import shutil
import sys
from pathlib import Path

_NAME = "smithers"


def decide(verb: str, run_id: str, node_id: str, iteration: int = 0, *, store: str | None = None) -> str:
    """`smithers approve RUN --node NODE` (or deny); `store` is named where it is not the default one."""
    which = ("--iteration", str(iteration)) if iteration else ()
    return _command(verb, run_id, "--node", node_id, *which, store=store)


def resume(run_id: str, workflow_path: str | None, *, store: str | None = None, is_forced: bool = False) -> str:
    """`smithers up FILE --run-id RUN --resume`; `is_forced` takes the run from a process that has it in hand."""
    forced = ("--force",) if is_forced else ()
    return _command("up", _near(workflow_path), "--run-id", run_id, "--resume", *forced, store=store)


def follow(run_id: str, *, store: str | None = None) -> str:
    """`smithers events RUN -f`."""
    return _command("events", run_id, "-f", store=store)


def down(run_id: str, *, store: str | None = None, standby_pid_file: str | None = None) -> str:
    """`smithers down RUN`; with the pidfile of a process that stands by, what ends that one alone."""
    standby = ("--suspend", "--pid-file", standby_pid_file) if standby_pid_file is not None else ()
    return _command("down", run_id, *standby, store=store)


def start_from(run_id: str, workflow_path: str | None, *, store: str | None = None) -> str:
    """`smithers up FILE --from RUN`: a new run that takes over what is done."""
    return _command("up", _near(workflow_path), "--from", run_id, store=store)


def _command(*words: str, store: str | None) -> str:
    named = ("--store", _without_password(store)) if store is not None else ()
    return shlex.join((_program(), *words, *named))


def _without_password(url: str) -> str:
    """What is pasted lands in the shell's history, and what is said in a log."""
    if not url.startswith(("postgresql://", "postgres://")):
        return url
    from smithersd.store.postgres.address import parse_address  # noqa: PLC0415 - who uses SQLite need not load it

    return parse_address(url).shown


def _program() -> str:
    """This program as the shell finds it: by name, or where it was started by its path and that is the only way, so."""
    started_as = Path(sys.argv[0])
    if started_as.name != _NAME or shutil.which(_NAME) is not None:
        return _NAME
    return _near(str(started_as.absolute()))


def _near(path: str | None) -> str:
    """A file as it is named from here; a run that was begun from Python has none."""
    if path is None:
        return "WORKFLOW.py"
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path

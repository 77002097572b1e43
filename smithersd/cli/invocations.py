"""The commands that get a run on, as a person would paste them."""

import shlex
from pathlib import Path


def decide(verb: str, run_id: str, node_id: str, iteration: int = 0, *, store: str | None = None) -> str:
    """`smithers approve RUN --node NODE` (or deny); `store` is named where it is not the default one."""
    which = ("--iteration", str(iteration)) if iteration else ()
    return _command(verb, run_id, "--node", node_id, *which, store=store)


def resume(run_id: str, workflow_path: str | None, *, store: str | None = None) -> str:
    """`smithers up FILE --run-id RUN --resume`."""
    return _command("up", _near(workflow_path), "--run-id", run_id, "--resume", store=store)


def follow(run_id: str, *, store: str | None = None) -> str:
    """`smithers events RUN -f`."""
    return _command("events", run_id, "-f", store=store)


def down(run_id: str, *, store: str | None = None) -> str:
    """`smithers down RUN`."""
    return _command("down", run_id, store=store)


def start_from(run_id: str, workflow_path: str | None, *, store: str | None = None) -> str:
    """`smithers up FILE --from RUN`: a new run that takes over what is done."""
    return _command("up", _near(workflow_path), "--from", run_id, store=store)


def _command(*words: str, store: str | None) -> str:
    named = ("--store", store) if store is not None else ()
    return "smithers " + shlex.join((*words, *named))


def _near(workflow_path: str | None) -> str:
    """The file as it is named from here; a run that was begun from Python has none."""
    if workflow_path is None:
        return "WORKFLOW.py"
    path = Path(workflow_path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

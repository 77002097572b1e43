"""Where a workflow comes from: a Python file, imported anew, and the hash that tells whether it was edited."""

import hashlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from smithersd.elements import Workflow
from smithersd.errors import SmithersError, UserError, WorkflowError


@dataclass(frozen=True, slots=True)
class WorkflowSource:
    """A workflow with where it was loaded from and that file's hash; both None where it was made in this process.

    `path` is absolute, and goes on with ":name" where the workflow was named, so that it loads the same one again.
    """

    workflow: Workflow[Any]
    path: str | None = None
    hash: str | None = None


def load_workflow(spec: str) -> WorkflowSource:
    """Load "path.py", or "path.py:name" where the file holds several workflows.

    Raises:
        UserError: no such file, or no such workflow in it.
        WorkflowError: the file could not be imported.
    """
    path, name = _split(spec)
    if not path.is_file():
        raise UserError(f"There is no workflow file {str(path)!r}.", remedy="Give the path of a Python file.")
    module = _imported(path.resolve())
    workflow = _chosen(module, name, path)
    named = str(path.resolve()) + ("" if name is None else f":{name}")
    return WorkflowSource(workflow, named, hashlib.sha256(path.read_bytes()).hexdigest())


def _split(spec: str) -> tuple[Path, str | None]:
    path, colon, name = spec.rpartition(":")
    if colon and not Path(spec).exists():
        return Path(path), name
    return Path(spec), None


def _imported(path: Path) -> ModuleType:
    """Import a file as a module of its own name, its folder first on the path, as `python file.py` would."""
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"workflow_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"{str(path)!r} is no Python file.", remedy="Give a file that ends in .py.")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except SmithersError:
        raise
    except (Exception, SystemExit) as error:
        raise WorkflowError(
            f"{path.name} could not be imported: {type(error).__name__}: {_reason(error)} ({_where(error, path)}).",
            remedy=f"Mend it until `python {path.name}` runs without an error.",
        ) from error
    return module


def _reason(error: BaseException) -> str:
    """What an import stumbled over; of a syntax error without the place, which is said anyway."""
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _where(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{Path(error.filename or path).name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename == str(path)] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def _chosen(module: ModuleType, name: str | None, path: Path) -> Workflow[Any]:
    workflows = {key: value for key, value in vars(module).items() if isinstance(value, Workflow)}
    if name is not None:
        if name in workflows:
            return workflows[name]
        raise UserError(f"{path.name} has no workflow {name!r}.", remedy=_offer(workflows))
    if len(set(map(id, workflows.values()))) == 1:
        return next(iter(workflows.values()))
    if not workflows:
        raise UserError(f"{path.name} has no workflow.", remedy="Decorate a function of it with @workflow.")
    raise UserError(
        f"{path.name} has {len(workflows)} workflows.",
        remedy=f"Name one: {path.name}:{min(workflows)}. {_offer(workflows)}",
    )


def _offer(workflows: dict[str, Workflow[Any]]) -> str:
    return f"It has {', '.join(sorted(workflows))}." if workflows else "Decorate a function of it with @workflow."

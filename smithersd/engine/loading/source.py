"""Import a workflow from its Python file, with a hash of the file that tells whether it was edited."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from smithersd.author_errors import with_place
from smithersd.elements import Workflow
from smithersd.engine.loading.workflow_file import WorkflowFile, find_workflow_file
from smithersd.errors import SmithersError, UserError, WorkflowError


@dataclass(frozen=True, slots=True)
class WorkflowSource:
    """A workflow, the path that it was loaded from, and the file's SHA-256; both None if it was not loaded from a file.

    `path` is absolute, or a module's name if the file can only be imported by that. It ends in ":name" if the workflow
    was named, so that `load_workflow(path)` loads the same workflow again.
    """

    workflow: Workflow[Any]
    path: str | None = None
    hash: str | None = None


def load_workflow(spec: str) -> WorkflowSource:
    """Load the workflow of "path.py" or of the module "package.module"; ":name" selects one of several.

    Raises:
        UserError: there is no such file or module, or no such workflow in it.
        WorkflowError: the file cannot be imported.
    """
    with _import_errors(spec):
        file = find_workflow_file(spec)
    code_hash = hashlib.sha256(file.path.read_bytes()).hexdigest()
    with _import_errors(file.shown):
        module = importlib.import_module(file.module) if file.is_importable else _loaded(file)
    return WorkflowSource(_selected(module, file.name, file.shown), file.spec, code_hash)


def _loaded(file: WorkflowFile) -> ModuleType:
    """Load a file from its path, where the import system would find another file, or none, by the module's name."""
    module_spec = importlib.util.spec_from_file_location(file.module, file.path)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"{str(file.path)!r} is not a Python file.", remedy="Give a file whose name ends in .py.")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[file.module] = module
    module_spec.loader.exec_module(module)
    return module


@contextmanager
def _import_errors(shown: str) -> Iterator[None]:
    """Raise what an import raises as a WorkflowError with its place; errors of this package have theirs already."""
    try:
        yield
    except SmithersError:
        raise
    except (Exception, SystemExit) as error:
        raise WorkflowError(
            with_place(f"{shown} could not be imported: {type(error).__name__}: {_reason(error)}", error) + ".",
            remedy=_remedy(error, shown),
        ) from error


def _remedy(error: BaseException, shown: str) -> str:
    if isinstance(error, ImportError) and "no known parent package" in str(error):
        return (
            "A relative import needs a package: put an __init__.py beside the file, "
            "or give the file as a module (package.module)."
        )
    way = shown if shown.endswith(".py") else f"-c 'import {shown}'"
    return f"Correct it until `python {way}` runs without an error."


def _reason(error: BaseException) -> str:
    """Return the message of an import's error; a syntax error's without the place, which is added for all errors."""
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _selected(module: ModuleType, name: str | None, shown: str) -> Workflow[Any]:
    workflows = {key: value for key, value in vars(module).items() if isinstance(value, Workflow)}
    if name is not None:
        if name in workflows:
            return workflows[name]
        raise UserError(f"{shown} has no workflow {name!r}.", remedy=_choices(workflows))
    if len(set(map(id, workflows.values()))) == 1:
        return next(iter(workflows.values()))
    if not workflows:
        raise UserError(f"{shown} has no workflow.", remedy="Decorate a function in it with @workflow.")
    raise UserError(
        f"{shown} has {len(workflows)} workflows.",
        remedy=f"Name one: {shown}:{min(workflows)}. {_choices(workflows)}",
    )


def _choices(workflows: dict[str, Workflow[Any]]) -> str:
    return f"It has {', '.join(sorted(workflows))}." if workflows else "Decorate a function in it with @workflow."

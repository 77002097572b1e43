"""Where a workflow comes from: a Python file, imported, and the hash that tells whether it was edited."""

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
    """A workflow with where it was loaded from and that file's hash; both None where it was made in this process.

    `path` is absolute, or a module's name where only that will do. It goes on with ":name" where the workflow was
    named, so that it loads the same one again.
    """

    workflow: Workflow[Any]
    path: str | None = None
    hash: str | None = None


def load_workflow(spec: str) -> WorkflowSource:
    """Load "path.py" or the module "package.module", with ":name" where it holds several workflows.

    Raises:
        UserError: no such file or module, or no such workflow in it.
        WorkflowError: it could not be imported.
    """
    with _import_errors(spec):
        file = find_workflow_file(spec)
    code_hash = hashlib.sha256(file.path.read_bytes()).hexdigest()
    with _import_errors(file.shown):
        module = importlib.import_module(file.module) if file.is_importable else _loaded(file)
    return WorkflowSource(_chosen(module, file.name, file.shown), file.spec, code_hash)


def _loaded(file: WorkflowFile) -> ModuleType:
    """Load a file that the import system would not find by its module's name, or where it would find another one."""
    module_spec = importlib.util.spec_from_file_location(file.module, file.path)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"{str(file.path)!r} is not a Python file.", remedy="Give a file that ends in .py.")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[file.module] = module
    module_spec.loader.exec_module(module)
    return module


@contextmanager
def _import_errors(shown: str) -> Iterator[None]:
    """Say of what an import raises where it was; errors of ours say it themselves."""
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
        return "A relative import needs a package: put an __init__.py beside the file, or name it as a module, a.b."
    way = shown if shown.endswith(".py") else f"-c 'import {shown}'"
    return f"Mend it until `python {way}` runs without an error."


def _reason(error: BaseException) -> str:
    """What an import stumbled over; of a syntax error without the place, which is said anyway."""
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _chosen(module: ModuleType, name: str | None, shown: str) -> Workflow[Any]:
    workflows = {key: value for key, value in vars(module).items() if isinstance(value, Workflow)}
    if name is not None:
        if name in workflows:
            return workflows[name]
        raise UserError(f"{shown} has no workflow {name!r}.", remedy=_offer(workflows))
    if len(set(map(id, workflows.values()))) == 1:
        return next(iter(workflows.values()))
    if not workflows:
        raise UserError(f"{shown} has no workflow.", remedy="Decorate a function of it with @workflow.")
    raise UserError(
        f"{shown} has {len(workflows)} workflows.",
        remedy=f"Name one: {shown}:{min(workflows)}. {_offer(workflows)}",
    )


def _offer(workflows: dict[str, Workflow[Any]]) -> str:
    return f"It has {', '.join(sorted(workflows))}." if workflows else "Decorate a function of it with @workflow."

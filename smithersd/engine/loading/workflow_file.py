"""Find the file of a workflow, and the module name to import it by.

A workflow is given as the path of a file or the name of a module, `flows/release.py` or `flows.release`, with an
optional `:name`. A file in a package (a folder with an `__init__.py`) is imported as `package.file`, with the folder
above the package on `sys.path`, so that its relative imports work. Any other file is a module of its own name, with its
folder first on the path, as with `python file.py`. The working directory, and a folder `src` in it, are on the path in
either case: last for a file, so that they hide no library; first for a module, as with `python -m`.

A name that can be imported matters in other processes too: multiprocessing pickles a function by its module's name, and
the process that it spawns imports that module with the same path.
"""

import importlib
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from smithersd.errors import UserError
from smithersd.workflow_names import module_name

_PACKAGE_FILE = "__init__.py"


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """A file with a workflow: `path` is absolute, `module` the name to import it by, `name` the workflow's, if given.

    `is_importable` says whether the import system finds the file by that name; else it must be loaded from its path.
    `shown` is the file's or module's name for messages.
    """

    path: Path
    module: str
    name: str | None
    is_importable: bool
    shown: str

    @property
    def spec(self) -> str:
        """The text that finds the same workflow again: an absolute path, or the module's name if it needs that."""
        is_known_by_path = not self.is_importable or self.module == _module_of(self.path)[1]
        return (str(self.path) if is_known_by_path else self.module) + ("" if self.name is None else f":{self.name}")


def find_workflow_file(spec: str) -> WorkflowFile:
    """Find the file of "path.py" or "package.module", with an optional ":name", and add its folders to `sys.path`.

    Raises:
        UserError: there is no such file or module.
        Exception: the package that contains the module raised it when it was imported.
    """
    target, name = _split(spec)
    if Path(target).is_file():
        return _file(Path(target).resolve(), name)
    if target.endswith(".py") or not all(part.isidentifier() for part in target.split(".")):
        raise UserError(f"There is no workflow file {target!r}.", remedy="Give the path of a Python file.")
    return _module(target, name)


def _split(spec: str) -> tuple[str, str | None]:
    target, colon, name = spec.rpartition(":")
    return (target, name) if colon and not Path(spec).exists() else (spec, None)


def _file(path: Path, name: str | None) -> WorkflowFile:
    root, module = _module_of(path)
    is_in_package = root != path.parent and _is_free(module.partition(".")[0], root)
    _put_on_path(root if is_in_package else path.parent)
    if is_in_package:
        _append_to_path(path.parent)  # for modules beside it that it imports without the package's name
    _append_to_path(*_working_folders())
    if not is_in_package:
        module = path.stem if "." not in path.stem and path.stem not in sys.modules else module_name(path)
    return WorkflowFile(path, module, name, is_in_package, path.name)


def _module(module: str, name: str | None) -> WorkflowFile:
    _put_on_path(*_working_folders())
    importlib.invalidate_caches()
    try:
        found = find_spec(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # its package imports another module that is missing
        found = None
    if found is None or not found.has_location or found.origin is None:
        raise UserError(
            f"There is no workflow file or module {module!r}.",
            remedy="Give the path of a Python file, or the name of a module that can be imported from here.",
        )
    return WorkflowFile(Path(found.origin).resolve(), module, name, is_importable=True, shown=module)


def _module_of(path: Path) -> tuple[Path, str]:
    """Return the folder to import a file from, and its module name with the names of the packages around it."""
    parts = [path.stem]
    folder = path.parent
    while (folder / _PACKAGE_FILE).is_file() and folder.name and "." not in folder.name:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(part for part in parts if part != Path(_PACKAGE_FILE).stem)


def _is_free(package: str, root: Path) -> bool:
    """Return whether no other package of the same name than the one in `root` has been imported."""
    known = sys.modules.get(package)
    return known is None or str(root / package) in getattr(known, "__path__", ())


def _working_folders() -> list[Path]:
    here = Path.cwd()
    return [here, *([here / "src"] if (here / "src").is_dir() else [])]


def _put_on_path(*folders: Path) -> None:
    sys.path[:0] = [str(folder) for folder in folders if str(folder) not in sys.path]


def _append_to_path(*folders: Path) -> None:
    sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]

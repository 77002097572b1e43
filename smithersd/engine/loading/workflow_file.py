"""Which file a workflow is in, and the name of the module that it is imported as.

A workflow is named by the path of a file, or by the name of a module: `flows/release.py`, `flows.release`, each perhaps
with `:name`. A file in a package (a folder with an `__init__.py`) is the module `package.file`, with the folder above
the package on the path, so that its relative imports work. Any other file is a module of its own name, with its folder
first on the path, as `python file.py` would have it. The working directory, and a folder `src` in it, are on the path
in either case: last for a file, which must not find another library there than before; first for a module, as
`python -m` would have it.

A name that can be imported matters beyond this process: multiprocessing and its like pickle a function as the name of
its module, and the process that they spawn imports that, with the same path.
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

    `is_importable` tells whether the import system finds the file by that name; else it must be loaded from its path.
    `shown` is the file or the module as people know it.
    """

    path: Path
    module: str
    name: str | None
    is_importable: bool
    shown: str

    @property
    def spec(self) -> str:
        """What finds the same workflow again, from other folders too as far as that can be."""
        is_known_by_path = not self.is_importable or self.module == _module_of(self.path)[1]
        return (str(self.path) if is_known_by_path else self.module) + ("" if self.name is None else f":{self.name}")


def find_workflow_file(spec: str) -> WorkflowFile:
    """Find the file of "path.py" or "package.module", each perhaps with ":name", and put its folders on the path.

    Raises:
        UserError: there is none.
        Exception: whatever a package raises that the module is in, since that has to be imported.
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
        _append_to_path(path.parent)  # for what it imports from beside it by its bare name
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
            raise  # its package lacks something else
        found = None
    if found is None or not found.has_location or found.origin is None:
        raise UserError(
            f"There is no workflow file or module {module!r}.",
            remedy="Give the path of a Python file, or the name of a module that can be imported from here.",
        )
    return WorkflowFile(Path(found.origin).resolve(), module, name, is_importable=True, shown=module)


def _module_of(path: Path) -> tuple[Path, str]:
    """The folder to import a file from, and the name to import it by: with that of the packages around it."""
    parts = [path.stem]
    folder = path.parent
    while (folder / _PACKAGE_FILE).is_file() and folder.name and "." not in folder.name:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(part for part in parts if part != Path(_PACKAGE_FILE).stem)


def _is_free(package: str, root: Path) -> bool:
    """Whether the name of a package in `root` is not taken by another one that was imported."""
    known = sys.modules.get(package)
    return known is None or str(root / package) in getattr(known, "__path__", ())


def _working_folders() -> list[Path]:
    here = Path.cwd()
    return [here, *([here / "src"] if (here / "src").is_dir() else [])]


def _put_on_path(*folders: Path) -> None:
    sys.path[:0] = [str(folder) for folder in folders if str(folder) not in sys.path]


def _append_to_path(*folders: Path) -> None:
    sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]

"""Module names for workflow files whose own name cannot be imported, such as `flow.v2.py`.

A process that a task spawns imports `smithersd.cli` as its parent's main module, so that it finds such files too, on
the path that it has from its parent.
"""

import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

_PREFIX = "workflow_"


def module_name(file: Path) -> str:
    """Return the module name of a file."""
    return _PREFIX + re.sub(r"\W", "_", file.stem)


class WorkflowFinder:
    """Finds files by the names that `module_name` gives them; for `sys.meta_path`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of a module with such a name, or None for any other module."""
        del target
        if path is not None or not name.startswith(_PREFIX):
            return None
        files = (file for folder in sys.path for file in Path(folder).glob("*.py") if module_name(file) == name)
        file = next(files, None)
        return None if file is None else spec_from_file_location(name, file)

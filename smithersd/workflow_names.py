"""Names of modules for workflow files whose own cannot be imported: `flow.v2.py` would be a module `v2` of a package.

A process that a task spawns imports `smithersd.cli` as its parent's main program. So it too can find such a file, on
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
    """Return the name of the module that a file becomes."""
    return _PREFIX + re.sub(r"\W", "_", file.stem)


class WorkflowFinder:
    """Finds the files that `module_name` has given names; for `sys.meta_path`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module as the import system asks for it, None where it is none of ours."""
        del target
        if path is not None or not name.startswith(_PREFIX):
            return None
        files = (file for folder in sys.path for file in Path(folder).glob("*.py") if module_name(file) == name)
        file = next(files, None)
        return None if file is None else spec_from_file_location(name, file)

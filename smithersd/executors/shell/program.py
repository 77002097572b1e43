"""Look for a command's program as exec does, so that an error can say what is wrong with it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def check_program(argv: Sequence[str], cwd: str | None, env: Mapping[str, str]) -> None:
    """Check that a command can be executed in the folder `cwd` with the environment `env`.

    A program with a slash in its name is a path from `cwd`; any other is looked for in the folders of PATH in `env`.

    Raises:
        OSError: there is no such folder or program, or the program may not be executed; the message says which.
        ValueError: `argv` is empty.
    """
    if not argv:
        raise ValueError("it is empty")
    folder = cwd or "."
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"its working directory {folder!r} is not a folder")
    program = argv[0]
    if os.sep in program:
        _check_path(program, folder, cwd)
    elif not any(_is_executable(Path(folder, place, program)) for place in os.get_exec_path(env)):
        here = f"; the one in its working directory is './{program}'" if _is_executable(Path(folder, program)) else ""
        raise FileNotFoundError(f"there is no program {program!r} on PATH{here}")


def _check_path(program: str, folder: str, cwd: str | None) -> None:
    path = Path(folder, program)
    where = "" if cwd is None or path == Path(program) else f" in {cwd!r}"
    if _is_executable(path):
        return
    if path.is_dir():
        raise IsADirectoryError(f"{program!r}{where} is a folder")
    if path.exists():
        raise PermissionError(f"{program!r}{where} may not be executed; `chmod +x` allows it")
    raise FileNotFoundError(f"there is no program {program!r}{where}")


def _is_executable(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except (OSError, ValueError):  # no process can name it
        return False

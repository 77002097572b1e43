"""Close a store's descriptors in forked children.

A worker of a task's process pool may live longer than we do. SQLite is not called there: its descriptors are made to
point nowhere, which a child that never uses the store cannot miss. The numbers stay taken, so that a connection which
the child's interpreter throws away at its end closes no file of the child's own.
"""

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

_open_paths: Counter[str] = Counter()


def remember(path: Path) -> None:
    """Close this database's descriptors in every child that is forked from now on."""
    _open_paths[os.path.realpath(path)] += 1


def forget(path: Path) -> None:
    """Undo `remember`, since the database is closed."""
    real = os.path.realpath(path)
    _open_paths[real] -= 1
    if not _open_paths[real]:
        del _open_paths[real]


def _close_in_child() -> None:
    if not _open_paths:
        return
    with suppress(OSError):  # no /proc here: nothing can be found out
        nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a forked child does as little as it can
            with suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - as above
                if target.removesuffix("-wal").removesuffix("-shm") in _open_paths:
                    os.dup2(nowhere, int(name), inheritable=False)
        os.close(nowhere)


os.register_at_fork(after_in_child=_close_in_child)

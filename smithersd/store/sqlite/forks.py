"""What a forked child must not keep: the descriptors of an open store.

A worker of a task's process pool may live longer than we do. SQLite is not called there; the descriptors are closed
beneath it, since a child that never uses the store cannot miss them.
"""

import os
from contextlib import suppress
from pathlib import Path

_open_paths: set[str] = set()


def remember(path: Path) -> None:
    """Close this database's descriptors in every child that is forked from now on."""
    _open_paths.add(str(path))


def forget(path: Path) -> None:
    """The database is closed."""
    _open_paths.discard(str(path))


def _close_in_child() -> None:
    if not _open_paths:
        return
    with suppress(OSError):  # no /proc here: nothing can be found out
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a forked child does as little as it can
            with suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - as above
                if target.removesuffix("-wal").removesuffix("-shm") in _open_paths:
                    os.close(int(name))


os.register_at_fork(after_in_child=_close_in_child)

"""Close a store's descriptors in forked children.

SQLite, which owns them, is not involved, since the child never uses the store.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from smithersd.posix.process.forks import keep_from_forks

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


def _descriptors() -> Iterator[int]:
    if not _open_paths:
        return
    with suppress(OSError):  # there is no /proc, so the descriptors cannot be found
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a forked child does as little as possible
            with suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - as above
                if target.removesuffix("-wal").removesuffix("-shm") in _open_paths:
                    yield int(name)


keep_from_forks(_descriptors)

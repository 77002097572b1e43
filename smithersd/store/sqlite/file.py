"""The open files of a store, and the check that they are still the ones at their paths.

SQLite silently continues to write to a file that was deleted or replaced, and all of that would be lost. The log (-wal)
and its index (-shm) matter as much as the database itself: a process that opens the store later would create new ones,
and neither process would see what the other commits.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from smithersd.errors import StoreUnavailable

_SUFFIXES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class _Found:
    """The identity of a file when it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> Self:
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    def check(self) -> None:
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._lost(f"was deleted or moved away ({error.strerror})") from error
        if (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise self._lost("was replaced by another file")

    def _lost(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The SQLite store's file {str(self.path)!r} {what}: what this process writes to the open file is lost.",
            remedy="Put the file back; or stop this process, and restart it with the store that you want to keep.",
        )


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A database file with its log and the log's index, as they were when it was opened."""

    path: Path
    files: tuple[_Found, ...]

    @classmethod
    def at(cls, path: Path) -> Self:
        """Record the identity of the files at this path, which are open already.

        Raises:
            OSError: a file does not exist.
        """
        return cls(path, tuple(_Found.at(Path(f"{path}{suffix}")) for suffix in _SUFFIXES))

    def check(self) -> None:
        """Check that the files are still at their paths; this reads the disk.

        Raises:
            StoreUnavailable: a file was deleted, moved or replaced.
        """
        for file in self.files:
            file.check()

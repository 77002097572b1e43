"""The files that a store has open, and whether they are still the ones at their paths.

SQLite goes on writing into a file that was deleted or replaced, and says nothing: all of that would be lost. The log
(-wal) and its index (-shm) count as much as the database itself: a process that opens the store meanwhile makes new
ones, and neither sees what the other commits.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from smithersd.errors import StoreUnavailable

_SUFFIXES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class _Found:
    """One file as it was found when it was opened."""

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
            raise self._lost("is another file now")

    def _lost(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The SQLite store's file {str(self.path)!r} {what}: what is written into the open one is lost.",
            remedy="Put the file back; or stop this process, and start it again with the store that is to count.",
        )


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A database with its log and the log's index, as they were found when it was opened."""

    path: Path
    files: tuple[_Found, ...]

    @classmethod
    def at(cls, path: Path) -> Self:
        """Remember the files at this path, which are open by now.

        Raises:
            OSError: there are none.
        """
        return cls(path, tuple(_Found.at(Path(f"{path}{suffix}")) for suffix in _SUFFIXES))

    def check(self) -> None:
        """Return while the files are where they were; this asks the disk.

        Raises:
            StoreUnavailable: one is gone, or another one is there.
        """
        for file in self.files:
            file.check()

"""The file that a store has open, and whether it is still the one at its path.

SQLite goes on writing into a file that was deleted or replaced, and says nothing: all of that would be lost.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from smithersd.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file as it was found at its path when it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Remember the file at this path, which is open by now.

        Raises:
            OSError: there is none.
        """
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    def check(self) -> None:
        """Return while the file is where it was; this asks the disk.

        Raises:
            StoreUnavailable: it is gone, or another one is there.
        """
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._lost(f"was deleted or moved away ({error.strerror})") from error
        if (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise self._lost("is another file now")

    def _lost(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The SQLite store {str(self.path)!r} {what}: what would be written into the open one would be lost.",
            remedy="Put the file back; or stop this process, and start it again with the store that is to count.",
        )

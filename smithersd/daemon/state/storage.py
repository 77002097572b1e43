"""Where runs are kept, and how a command that is pasted is told so."""

from dataclasses import dataclass, field
from pathlib import Path

from smithersd.daemon.state.folder import NAME, StateFolder, find_state_folder


@dataclass(frozen=True, slots=True)
class Storage:
    """A state folder, and the URL of a store where runs are not in the folder's own."""

    folder: StateFolder
    store: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str | Path:
        """Where the store is opened."""
        return self.store or self.folder.store_path

    @property
    def is_elsewhere(self) -> bool:
        """Whether the folder is another one than the working directory's own."""
        return self.folder.path != Path.cwd() / NAME

    def flags(self) -> tuple[str, ...]:
        """Return the flags that a command typed here needs to find the same runs; passwords are left out."""
        named = () if self.store is None else ("--store", _without_password(self.store))
        folder = () if self.folder == find_state_folder() else ("--state-folder", str(self.folder.path))
        return (*named, *folder)


def _without_password(url: str) -> str:
    """What is pasted lands in the shell's history, and what is said in a log."""
    if not url.startswith(("postgresql://", "postgres://")):
        return url
    from smithersd.store.postgres.address import parse_address  # noqa: PLC0415 - who uses SQLite need not load it

    return parse_address(url).shown

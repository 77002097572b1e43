"""Where runs are kept, and the flags that a pasted command needs to find them."""

from dataclasses import dataclass, field
from pathlib import Path

from smithersd.daemon.state.folder import NAME, StateFolder, find_state_folder


@dataclass(frozen=True, slots=True)
class Storage:
    """A state folder, and the URL of the store if runs are not in the folder's own."""

    folder: StateFolder
    store: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str | Path:
        """The URL or path at which the store is opened."""
        return self.store or self.folder.store_path

    @property
    def is_elsewhere(self) -> bool:
        """Whether the folder is not the one of the working directory."""
        return self.folder.path != Path.cwd() / NAME

    def flags(self) -> tuple[str, ...]:
        """Return the flags that a command typed here needs to find the same runs; passwords are left out."""
        named = () if self.store is None else ("--store", _without_password(self.store))
        folder = () if self.folder == find_state_folder() else ("--state-folder", str(self.folder.path))
        return (*named, *folder)


def _without_password(url: str) -> str:
    """Return the URL without its password, which would land in the shell's history and in logs."""
    if not url.startswith(("postgresql://", "postgres://")):
        return url
    from smithersd.store.postgres.address import parse_address  # noqa: PLC0415 - who uses SQLite need not load it

    return parse_address(url).shown

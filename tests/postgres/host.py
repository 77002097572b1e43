"""A host: a place whose processes see a host name of its own, and whose runs lie in a PostgreSQL database."""

from pathlib import Path

from tests.support.place import Place, Process

NAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')
"""Before a name and a command: that one finds itself on a host of this name."""


class Host(Place):
    """A working directory with a state folder of its own on a machine of its own, as far as `smithers` can tell."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.url = url

    @property
    def store_url(self) -> str:
        """Where the runs are kept."""
        return self.url

    def start(self, *arguments: str, within: tuple[str, ...] = (), **env: str) -> Process:
        """Start a command of `smithers` on this host."""
        named = (*NAMED, self.folder.name, *within)
        return super().start(*arguments, within=named, **{"SMITHERS_STORE": self.url, **env})

"""The state folder: `.smithers`, with the store and a folder for each run.

    .smithers/smithers.db
    .smithers/runs/<run-id>/{pid, log, meta.json, tracebacks}

It is the nearest one up the tree from the working directory, else a new one there; the search ends at the home folder
and where another file system begins. Folders are for their owner only.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from smithersd.errors import UserError

NAME = ".smithers"
_DIGITS = 12
"""Of a hash, that tell one pidfile from another."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the files of one run's process lie."""

    path: Path

    @property
    def pid_file(self) -> Path:
        """The process id of the daemon that drives or serves the run, locked for its whole life."""
        return self.path / "pid"

    @property
    def log_file(self) -> Path:
        """What the daemon has to say, and what the workflow prints."""
        return self.path / "log"

    @property
    def tracebacks_file(self) -> Path:
        """What tasks raised, with tracebacks, where no log has them."""
        return self.path / "tracebacks"

    def process_record_file(self, pid_file: Path) -> Path:
        """Where the process that holds this pidfile writes itself down; no other process has the same place."""
        if pid_file == self.pid_file:
            return self.path / "meta.json"
        return self.path / f"meta-{hashlib.sha256(os.fsencode(pid_file)).hexdigest()[:_DIGITS]}.json"

    def process_record_files(self) -> list[Path]:
        """Where the run's processes have written themselves down, and those that died without a word."""
        return sorted(self.path.glob("meta*.json"))

    @property
    def sent_file(self) -> Path:
        """Of what the commands of --on-wait, --on-fail and --on-end have told."""
        return self.path / "told"

    @property
    def stop_sender_file(self) -> Path:
        """Who is asking the run's processes to end by a signal, which cannot carry a name; there only meanwhile."""
        return self.path / "stop-sender"

    def make(self) -> "RunFolder":
        """Make it and the state folder around it, for their owner only.

        Raises:
            UserError: it cannot be made.
        """
        for folder in (self.path.parent.parent, self.path.parent, self.path):
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"The folder {str(folder)!r} cannot be made: {error.strerror}.",
                    remedy="Start the run in a folder that you may write to: its pidfile and log lie in there.",
                ) from error
        return self

    def remove_if_empty(self) -> None:
        """Remove it, unless it holds something."""
        with suppress(OSError):
            self.path.rmdir()


@dataclass(frozen=True, slots=True)
class StateFolder:
    """One `.smithers` folder; nothing of it need exist."""

    path: Path

    @property
    def store_path(self) -> Path:
        """The default store."""
        return self.path / "smithers.db"

    def run(self, run_id: str) -> RunFolder:
        """Return the folder of one run."""
        return RunFolder(self.path / "runs" / run_id)

    def runs(self) -> dict[str, RunFolder]:
        """Return the folders of the runs that have one, by run id."""
        try:
            return {path.name: RunFolder(path) for path in sorted((self.path / "runs").iterdir())}
        except FileNotFoundError:
            return {}

    def make(self) -> "StateFolder":
        """Make it, for its owner only."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        return self


def find_state_folder(start: Path | None = None) -> StateFolder:
    """Return the nearest `.smithers` from `start` (the working directory) upwards, else the one to make there.

    The home folder is the last one that is looked into, and so is the root of a file system: what lies above belongs to
    others. Folders of other users are passed over: what somebody put into /tmp is no place for a run's secrets.
    """
    here = (start or Path.cwd()).absolute()
    for folder in searched(here):
        if _is_ours(folder / NAME):
            return StateFolder(folder / NAME)
    return StateFolder(here / NAME)


def searched(here: Path) -> Iterator[Path]:
    """Give the folders that may hold the state of runs here, the nearest first."""
    home = Path(os.environ.get("HOME") or "/")
    for folder in (here, *here.parents):
        yield folder
        if folder == home or os.path.ismount(folder):
            return


def _is_ours(folder: Path) -> bool:
    try:
        return folder.is_dir() and folder.stat().st_uid == os.getuid()
    except OSError:
        return False

"""The state folder: `.smithers`, with the store and a folder for each run.

    .smithers/smithers.db
    .smithers/runs/<run-id>/{pid, log, meta.json, tracebacks}

It is the nearest one from the working directory upwards, else a new one there; the search ends at the home folder and
at the root of the file system. Only their owner can read these folders.
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
"""Digits of the hash that distinguishes pidfiles."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder with the files of one run's processes."""

    path: Path

    @property
    def pid_file(self) -> Path:
        """The pidfile of the daemon that drives or serves the run, locked while it lives."""
        return self.path / "pid"

    @property
    def log_file(self) -> Path:
        """The daemon's log, with what the workflow prints."""
        return self.path / "log"

    @property
    def tracebacks_file(self) -> Path:
        """The tracebacks of tasks, if there is no log for them."""
        return self.path / "tracebacks"

    def process_record_file(self, pid_file: Path) -> Path:
        """Return the path of the record of the process that holds this pidfile; each pidfile has its own."""
        if pid_file == self.pid_file:
            return self.path / "meta.json"
        return self.path / f"meta-{hashlib.sha256(os.fsencode(pid_file)).hexdigest()[:_DIGITS]}.json"

    def process_record_files(self) -> list[Path]:
        """Return the records of the run's processes, also of those that were killed."""
        return sorted(self.path.glob("meta*.json"))

    @property
    def sent_file(self) -> Path:
        """The file of what the hooks (--on-wait, --on-fail, --on-end) have sent."""
        return self.path / "sent"

    @property
    def stop_sender_file(self) -> Path:
        """The file with the name of who sends stop signals, which carry none; it exists only while they are sent."""
        return self.path / "stop-sender"

    def make(self) -> "RunFolder":
        """Create this folder and the state folder around it, readable by their owner only.

        Raises:
            UserError: a folder cannot be created.
        """
        for folder in (self.path.parent.parent, self.path.parent, self.path):
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"The folder {str(folder)!r} cannot be created: {error.strerror}.",
                    remedy="Start the run in a folder that you can write to: it holds the run's pidfile and log.",
                ) from error
        return self

    def remove_if_empty(self) -> None:
        """Remove the folder if it is empty."""
        with suppress(OSError):
            self.path.rmdir()


@dataclass(frozen=True, slots=True)
class StateFolder:
    """A `.smithers` folder, which need not exist."""

    path: Path

    @property
    def store_path(self) -> Path:
        """The path of the default store."""
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
        """Create the folder, readable by its owner only."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        return self


def find_state_folder(start: Path | None = None) -> StateFolder:
    """Return the nearest `.smithers` from `start` (the working directory) upwards, else the one to create there.

    The search ends at the home folder and at the root of a file system: folders above belong to others. Folders of
    other users are skipped: one that another user put into /tmp must not get a run's secrets.
    """
    here = (start or Path.cwd()).absolute()
    for folder in searched(here):
        if _is_ours(folder / NAME):
            return StateFolder(folder / NAME)
    return StateFolder(here / NAME)


def searched(here: Path) -> Iterator[Path]:
    """Yield the folders that may hold the state of runs here, the nearest first."""
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

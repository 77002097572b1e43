"""meta.json: the process that holds a run and its URL, for commands on this machine. It never holds a token.

Each process of a run holds a pidfile of its own, and has a record that belongs to that pidfile: meta.json for the one
in the run's folder, meta-<digits>.json beside it for another one (a standby). The record is written as soon as the
pidfile is held, and removed before that is released.

A record names its process by host, boot, pid namespace, pid and start time. So the process is found even if its pidfile
was deleted, and a pid from another container is never taken for one of this pid namespace.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from smithersd.daemon.state.folder import RunFolder
from smithersd.errors import DaemonRuns, UserError
from smithersd.loggers import logger
from smithersd.posix.process.identity import ProcessIdentity, this_process
from smithersd.posix.process.pidfile import held_pid


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that drives or serves a run, and holds `pid_file`.

    `url` is None if it does not serve the run, or not yet; `log_file` if it has none. `is_standby` says that it waits
    while another process drives the run. `driving_since_ms` is when it became the driver; None if it is not.
    """

    process: ProcessIdentity
    pid_file: str
    started_at_ms: int
    url: str | None = None
    log_file: str | None = None
    is_standby: bool = False
    driving_since_ms: int | None = None

    @property
    def pid(self) -> int:
        """The process id, in the process's own pid namespace."""
        return self.process.pid


_log = logger(__name__)

_ADAPTER = TypeAdapter(ProcessRecord)


class ProcessRecordFile:
    """The record of this process."""

    def __init__(self, path: Path, process_record: ProcessRecord) -> None:
        self._path = path
        self._process_record = process_record

    def add_addresses(self, *, url: str | None, log_file: Path | None) -> None:
        """Add the run's URL and the path of the log."""
        self._process_record = replace(
            self._process_record, url=url, log_file=None if log_file is None else str(log_file)
        )
        self._write()

    def stand_by(self) -> None:
        """Record that another process drives the run."""
        self._process_record = replace(self._process_record, is_standby=True, driving_since_ms=None)
        self._write()

    def take_run(self, *, driving_since_ms: int | None) -> None:
        """Record that this process drives the run, or with None that it only serves a run that has ended."""
        self._process_record = replace(self._process_record, is_standby=False, driving_since_ms=driving_since_ms)
        self._write()

    def remove(self) -> None:
        """Remove the record."""
        _remove(self._path, self._process_record)

    def _write(self) -> None:
        try:
            _write(self._path, self._process_record)
        except OSError as error:
            _log.warning(
                "The process record cannot be written, so commands on this machine may not find the server: %s", error
            )


@contextmanager
def process_recorded(folder: RunFolder, *, pid_file: Path, now_ms: int) -> Iterator[ProcessRecordFile]:
    """Record this process, which holds the pidfile, while the `with` lasts.

    Raises:
        DaemonRuns: the process that held the pidfile before still lives; its file was deleted.
        UserError: the run's folder cannot be written.
    """
    path = folder.process_record_file(pid_file)
    _check_free(path)
    process_record = ProcessRecord(this_process(), str(pid_file), now_ms)
    try:
        _write(path, process_record)
    except OSError as error:
        raise UserError(f"{str(folder.path)!r} cannot be written: {error.strerror}.") from error
    record_file = ProcessRecordFile(path, process_record)
    try:
        yield record_file
    finally:
        record_file.remove()


def _check_free(path: Path) -> None:
    earlier = _read(path)
    if earlier is not None and earlier.pid != os.getpid() and _lives_here(earlier):
        raise DaemonRuns(
            f"Process {earlier.pid} still holds the run, although its pidfile was deleted.",
            remedy="Stop it with `smithers down`, or take over the run with --force.",
        )


def processes_here(folder: RunFolder) -> list[ProcessRecord]:
    """Return the run's live processes of this machine and pid namespace; its driver first, standbys last."""
    return [process_record for process_record in _process_records(folder) if _lives_here(process_record)]


def read_process_record(folder: RunFolder) -> ProcessRecord | None:
    """Return the process that holds the run, here or in another container; None if none is known."""
    return next((process_record for process_record in _process_records(folder) if _lives(process_record)), None)


def last_process_record(folder: RunFolder) -> ProcessRecord | None:
    """Return the last recorded process of the run, whether it lives or not."""
    found = _process_records(folder)
    return next(filter(_lives, found), found[0] if found else None)


def pid_files(folder: RunFolder) -> list[Path]:
    """Return the pidfiles of all recorded processes of the run, whether they live or not."""
    return [Path(process_record.pid_file) for process_record in _process_records(folder)]


def remove_dead_records(folder: RunFolder) -> None:
    """Remove the records of processes that have ended."""
    for file in folder.process_record_files():
        process_record = _read(file)
        if process_record is not None and process_record.process.is_local and not process_record.process.is_alive:
            _remove(file, process_record)


def _process_records(folder: RunFolder) -> list[ProcessRecord]:
    """Return the records: the driver (or the last one) first, then servers by age, then standbys."""
    found = [
        process_record for file in folder.process_record_files() if (process_record := _found(folder, file)) is not None
    ]
    return sorted(found, key=lambda record: (record.is_standby, -(record.driving_since_ms or 0), record.started_at_ms))


def _lives_here(process_record: ProcessRecord) -> bool:
    return process_record.process.is_local and process_record.process.is_alive


def _lives(process_record: ProcessRecord) -> bool:
    """Return whether the process lives; for one in another container the lock on its pidfile says so."""
    process = process_record.process
    return process.is_alive if process.is_local else held_pid(Path(process_record.pid_file)) == process_record.pid


def _found(folder: RunFolder, file: Path) -> ProcessRecord | None:
    """Read a record; its pidfile and log move with the folder."""
    process_record = _read(file)
    if process_record is None:
        return None
    pid_file, log_file = process_record.pid_file, process_record.log_file
    if not Path(pid_file).exists() and file == folder.process_record_file(folder.pid_file):
        pid_file = str(folder.pid_file)
    if log_file is not None and not Path(log_file).exists() and folder.log_file.exists():
        log_file = str(folder.log_file)
    return replace(process_record, pid_file=pid_file, log_file=log_file)


def _read(file: Path) -> ProcessRecord | None:
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(file: Path, process_record: ProcessRecord) -> None:
    """Replace the file atomically, so that no reader sees half of it."""
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        draft.touch(0o600)
        draft.write_bytes(_ADAPTER.dump_json(process_record))
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def _remove(file: Path, ours: ProcessRecord) -> None:
    if _read(file) == ours:
        with suppress(OSError):
            file.unlink()

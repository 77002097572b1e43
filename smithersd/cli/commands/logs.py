"""smithers logs: print the log file of a run's process."""

import os
import sys
import time
from pathlib import Path

import click

from smithersd.cli.args.options import debug_option, on_store, run_argument, run_epilog, say_newest, storage_options
from smithersd.daemon.state.folder import RunFolder, StateFolder
from smithersd.daemon.state.local_processes import select_local_run
from smithersd.daemon.state.process_record import last_process_record, read_process_record
from smithersd.daemon.state.storage import Storage
from smithersd.errors import UserError
from smithersd.limits import LOG_POLL_S
from smithersd.store import Store

_COPY_BYTES = 64 * 1024
_EPILOG = run_epilog("smithers logs -f", unnamed="only run that has a process, else the newest")


@click.command("logs", short_help="Print a run's log file.", epilog=_EPILOG)
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the process has ended.")
@storage_options
@debug_option
def command(run: str | None, *, follow: bool, storage: Storage) -> None:
    """Print the log file of a run's process: the run's events, and what the workflow printed.

    A run that was started in a terminal has a log file only with --log-file.
    """
    folder = storage.folder.run(on_store(storage, lambda opened: _select_run(opened, storage.folder, run)))
    path = _log_of(folder)
    try:
        _print_log(path, folder, is_followed=follow)
    except FileNotFoundError:
        raise UserError(
            f"Run {folder.path.name!r} has no log file on this machine.",
            remedy="`smithers events` prints its events. A systemd service logs to the journal: "
            f"`journalctl --user -u smithersd@{folder.path.name}`, or without --user for a system service.",
        ) from None


async def _select_run(store: Store, folder: StateFolder, selector: str | None) -> str:
    run_id = await select_local_run(store, folder, selector, or_newest=True)
    run = await store.find_run(run_id)
    if selector is None and run is not None and run.status.is_final and read_process_record(folder.run(run_id)) is None:
        say_newest(run_id)
    return run_id


def _log_of(folder: RunFolder) -> Path:
    """Return the path of the log that the run's process recorded, else of the one in its folder."""
    process_record = last_process_record(folder)
    return (
        folder.log_file if process_record is None or process_record.log_file is None else Path(process_record.log_file)
    )


def _print_log(path: Path, folder: RunFolder, *, is_followed: bool) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            is_last = not is_followed or read_process_record(folder) is None
            _copy_out(descriptor)
            descriptor = _followed(descriptor, path)
            if is_last:
                _copy_out(descriptor)
                return
            time.sleep(LOG_POLL_S)
    finally:
        os.close(descriptor)


def _copy_out(descriptor: int) -> None:
    while data := os.read(descriptor, _COPY_BYTES):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _followed(descriptor: int, path: Path) -> int:
    """Return the descriptor to read from: that of the new file after a rotation; rewound if the file was truncated."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return descriptor
    if os.path.samestat(os.fstat(descriptor), now):
        if os.lseek(descriptor, 0, os.SEEK_CUR) > now.st_size:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor
    if now.st_size == 0:
        return descriptor  # the process writes to the old file until SIGHUP
    _copy_out(descriptor)
    os.close(descriptor)
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

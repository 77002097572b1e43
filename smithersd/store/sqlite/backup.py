"""Back up a SQLite store while it is written to: one consistent state, in one file.

`VACUUM INTO` only reads, so writers continue. A copy of the file alone would be incomplete: the latest commits are in
the write-ahead log beside it, in a new store nearly all of them.
"""

import os
import sqlite3
from pathlib import Path

from smithersd.errors import UserError
from smithersd.store.sqlite import connection as sqlite


def back_up(source: Path, target: Path) -> None:
    """Write a copy of `source` to `target`, which must not exist, readable by its owner only; completely or not at all.

    Raises:
        UserError: the target exists, or cannot be written.
        StoreUnavailable: the store cannot be read, or the disk is full.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _make(target)
        try:
            _make(draft)
            _copy(source, draft)
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
            raise
    except FileExistsError as error:
        raise UserError(
            f"{error.filename!r} exists already; no backup was written.", remedy="Name a file that does not exist."
        ) from error
    except OSError as error:
        raise UserError(
            f"The backup {str(target)!r} cannot be written: {error.strerror}.",
            remedy="Name a file in a folder that you may write to.",
        ) from error


def _make(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _copy(source: Path, target: Path) -> None:
    try:
        connection = sqlite.connect(source)
        try:
            connection.execute("VACUUM INTO ?", (str(target),))
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise sqlite.refusal(error) from error
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

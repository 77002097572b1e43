"""smithers backup: copy the SQLite store, also while runs are driven."""

from pathlib import Path

import click

from smithersd.cli.args.options import checked_path, debug_option, on_store, say_folder, storage_options
from smithersd.cli.terminal.output import say
from smithersd.daemon.state.storage import Storage

_EXAMPLE = "\b\nExample:\n  smithers backup /backups/smithers-$(date +%F).db"


@click.command("backup", short_help="Copy the SQLite store.", epilog=_EXAMPLE)
@click.argument("file", metavar="FILE")
@storage_options
@debug_option
def command(*, file: str, storage: Storage) -> None:
    """Copy the SQLite store to FILE, which must not exist. Runs may go on meanwhile.

    To restore the copy, suspend all runs, put it in the place of the store and resume them. Use pg_dump to back up a
    PostgreSQL store.
    """
    target = Path(checked_path(str(Path(file).absolute())))
    say_folder(storage)
    on_store(storage, lambda store: store.back_up(target))
    say(f"Wrote {target} ({target.stat().st_size:,} bytes).")

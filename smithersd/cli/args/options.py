"""Options and arguments that commands share."""

import asyncio
import getpass
import math
import os
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smithersd.cli.terminal.output import say_aside
from smithersd.daemon.launch.environment import FOLDER_VARIABLE, may_hold_password
from smithersd.daemon.state.folder import StateFolder, find_state_folder
from smithersd.daemon.state.storage import Storage
from smithersd.errors import InvalidRequest
from smithersd.posix.argv import hide_in_arguments

if TYPE_CHECKING:
    from smithersd.client import Run, StoredRuns
    from smithersd.store import Store

T = TypeVar("T")

_DIGITS_MAX = 18


def hide_token(_: click.Context, __: click.Parameter, token: str | None) -> str | None:
    """Hide a token on the command line from `ps`; an option callback."""
    if token:
        hide_in_arguments(token)
    return token


def _hide_store(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    if url and may_hold_password(url):
        hide_in_arguments(url)
    return url


def _absolute_folder(_: click.Context, __: click.Parameter, path: str | None) -> str | None:
    return checked_path(str(Path(path).absolute())) if path else None


run_argument = click.argument("run", required=False)
_store_option = click.option(
    "--store",
    envvar="SMITHERS_STORE",
    metavar="URL",
    callback=_hide_store,
    help="The store [default: SMITHERS_STORE, else in the state folder].",
)
_folder_option = click.option(
    "--state-folder",
    envvar=FOLDER_VARIABLE,
    metavar="DIR",
    callback=_absolute_folder,
    help=f"The state folder [default: {FOLDER_VARIABLE}, else the nearest .smithers].",
)
json_option = click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Add the traceback to an error.")


def storage_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add --store and --state-folder to a command, which gets them as `storage`."""

    @wraps(command)
    def with_storage(*arguments: Any, store: str | None, state_folder: str | None, **options: Any) -> T:
        folder = find_state_folder() if state_folder is None else StateFolder(Path(state_folder))
        return command(*arguments, storage=Storage(folder, store or None), **options)

    return _store_option(_folder_option(with_storage))


def say_folder(storage: Storage) -> None:
    """Print the state folder to stderr, unless it is the one in the working directory."""
    if storage.is_elsewhere:
        say_aside(f"State folder: {storage.folder.path}")


def say_store_folder(storage: Storage) -> None:
    """Print the state folder as `say_folder` does, unless the runs are kept in another store."""
    if storage.store is None:
        say_folder(storage)


UNNAMED_TO_READ = "only live run, else the newest"
"""The run that a read-only command selects if none is named, for `run_epilog`."""


async def run_to_read(runs: "StoredRuns", selector: str | None) -> "Run":
    """Select the run for a read-only command; if it is the newest, print its id to stderr.

    Raises:
        RunNotFound: there is none.
        InvalidRequest: there are several.
    """
    run = await runs.select(selector, or_newest=True)
    if selector is None and (await run.info()).status.is_final:
        say_newest(run.run_id)
    return run


def say_newest(run_id: str) -> None:
    """Print to stderr that the newest run was selected, since none was named and none is live."""
    say_aside(f"No run is live; showing the newest, {run_id}.")


def run_epilog(*examples: str, unnamed: str = "only live run") -> str:
    """Return the end of a command's help: what RUN means, the default, and examples."""
    unwrapped = "\b"
    shown = [unwrapped, "Examples:", *(f"  {example}" for example in examples)]
    return "\n".join([f"RUN is a run's id or the beginning of it [default: the {unnamed}].", "", *shown])


def whole_number(first: int = 0, last: int | None = None) -> Callable[[object], int]:
    """Return an option type: a whole number from `first` to `last`; without `last`, up to what every store can hold."""

    def read(given: object) -> int:
        text = str(given)
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and first <= int(text) <= (last or int(text)):
            return int(text)
        allowed = f"{first} or more" if last is None else f"{first} to {last}"
        raise click.BadParameter(f"{text!r} is not a whole number ({allowed}).")

    return read


def seconds_from_zero(given: object) -> float:
    """Parse a number of seconds, 0 or more; an option type."""
    try:
        duration_s = float(str(given))
    except ValueError:
        duration_s = math.nan
    if not 0 <= duration_s < math.inf:
        raise click.BadParameter(f"{str(given)!r} is not a number of seconds (0 or more).")
    return duration_s


def on_store(storage: Storage, work: Callable[["Store"], Awaitable[T]]) -> T:
    """Run a command's work on an existing store.

    Raises:
        StoreInvalid: there is no store; none is created.
    """
    from smithersd.store import open_store  # noqa: PLC0415 - `up -d` shares these options and opens no store

    async def opened() -> T:
        async with open_store(storage.address, must_exist=True) as store:
            return await work(store)

    return asyncio.run(opened())


def on_runs(storage: Storage, work: Callable[["StoredRuns"], Awaitable[T]]) -> T:
    """Run a command's work on the runs of an existing store.

    Raises:
        StoreInvalid: there is no store; none is created.
    """
    from smithersd.client import StoredRuns  # noqa: PLC0415 - as in `on_store`

    return on_store(storage, lambda store: work(StoredRuns(store)))


def login_name() -> str:
    """Return the user's login name, or "uid N" for a user without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"


def absolute_url(url: str) -> str:
    """Return a store's URL, or the path of its file, with an absolute path."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return str(Path(url).absolute())
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return f"{scheme}:///{Path(rest[1:]).absolute()}"
    return url


def checked_text(text: str, flag: str) -> str:
    """Return the value of a flag if it is UTF-8, as stores and clients need it.

    Raises:
        InvalidRequest: it is not, naming the flag.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"The value of {flag} is not UTF-8.", remedy="Set the terminal to UTF-8.") from None
    return text


def checked_path(path: str) -> str:
    """Return a path if it is UTF-8, as stores and clients need it.

    Raises:
        InvalidRequest: it is not, naming the path.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            f"The path {path!r} is not UTF-8.",
            remedy="Rename it; or, if it only reads so in this environment, set PYTHONUTF8=1 or a UTF-8 locale.",
        ) from None
    return path

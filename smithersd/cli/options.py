"""Options and arguments that commands share, each said once."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from smithersd.daemon.arguments import hide_in_arguments
from smithersd.daemon.environment import may_hold_password
from smithersd.daemon.folder import find_state_folder
from smithersd.errors import InvalidRequest

if TYPE_CHECKING:
    from smithersd.store import Store

T = TypeVar("T")

_DIGITS_MAX = 18


def hide_token(_: click.Context, __: click.Parameter, token: str | None) -> str | None:
    """Take a token that was typed from what `ps` shows; a callback of an option."""
    if token:
        hide_in_arguments(token)
    return token


def _hide_store(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    if url and may_hold_password(url):
        hide_in_arguments(url)
    return url


run_argument = click.argument("run", required=False)
store_option = click.option(
    "--store",
    envvar="SMITHERS_STORE",
    metavar="URL",
    callback=_hide_store,
    help="Where runs are kept [default: SMITHERS_STORE, else the nearest .smithers].",
)
json_option = click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Add the traceback to an error.")


def run_epilog(*examples: str, unnamed: str = "only live run") -> str:
    """Write the end of the help of a command on a run: what RUN means, and which one if it is left out; examples."""
    unwrapped = "\b"
    shown = [unwrapped, "Examples:", *(f"  {one}" for one in examples)]
    return "\n".join([f"RUN is a run's id or the beginning of it; without it the {unnamed} is meant.", "", *shown])


def whole_number(text: str) -> int:
    """Read a whole number from 0 that every store can hold; a type for options."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise click.BadParameter(f"{text!r} is no whole number from 0.")
    return int(text)


def on_store(url: str | None, work: Callable[["Store"], Awaitable[T]]) -> T:
    """Do a command's work on a store that exists: the one of this URL, else the default one.

    Raises:
        StoreInvalid: there is none; none is made.
    """
    from smithersd.store import open_store  # noqa: PLC0415 - `up -d` shares these options and opens no store

    async def opened() -> T:
        async with open_store(url or find_state_folder().store_path, must_exist=True) as store:
            return await work(store)

    return asyncio.run(opened())


def login_name() -> str:
    """Name who is at the keyboard; in a container that may be but a number."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"


def checked_text(text: str, flag: str) -> str:
    """Refuse what is no UTF-8: no store and no client could hold it.

    Raises:
        InvalidRequest: naming the flag.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"What {flag} was given is not UTF-8.", remedy="Set the terminal to UTF-8.") from None
    return text


def checked_path(path: str) -> str:
    """Refuse a path that is no UTF-8: neither the store nor a client could hold it.

    Raises:
        InvalidRequest: naming the path.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            f"The path {path!r} is not UTF-8.",
            remedy="Rename it; or, if it only reads so in this environment, set PYTHONUTF8=1 or a UTF-8 locale.",
        ) from None
    return path

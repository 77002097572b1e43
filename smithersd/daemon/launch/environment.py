"""Take the token and systemd's variables out of the environment, before author code is imported.

Everything in `os.environ` is inherited by every command of a task, and readable by any library. A token is also
overwritten in memory: to any process of the same user, /proc/PID/environ shows the environment with which a process or
its forks were started.
"""

import ctypes
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from smithersd.errors import UserError
from smithersd.posix.credentials import take_credentials_folder
from smithersd.posix.terminal import has_terminal

TOKEN_VARIABLE = "SMITHERS_API_KEY"  # noqa: S105 - a name
STORE_VARIABLE = "SMITHERS_STORE"
FOLDER_VARIABLE = "SMITHERS_DIR"

TOKEN_CREDENTIAL = "auth-token"  # noqa: S105 - a name
"""The credential that a unit passes with `LoadCredential=auth-token:FILE`."""

_SECRETS = (TOKEN_VARIABLE,)
_FROM_SYSTEMD = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)
_FIRST_PASSED_DESCRIPTOR = 3


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the environment passed to this process. The token is not part of the repr.

    `sockets` listen already (socket activation). Notifications go to `notify_address`; the watchdog expects one every
    `watchdog_s` seconds. `is_supervised` says that a service manager started this process; a terminal that it started
    inherits its variables, but is not one of its services. Values that were not passed are None or empty.
    """

    auth_token: str | None = field(default=None, repr=False)
    is_supervised: bool = False
    sockets: tuple[socket.socket, ...] = ()
    notify_address: str | None = None
    watchdog_s: float | None = None


def take_environment() -> Inherited:
    """Read and remove these variables; a second call finds nothing.

    Raises:
        UserError: the credential cannot be read, or a passed descriptor is not a listening socket.
    """
    given = {name: os.environ.pop(name) for name in _FROM_SYSTEMD if name in os.environ}
    secrets = {name: _take_secret(name) for name in (*_SECRETS, *_store_with_password())}
    credential = _credential(take_credentials_folder())
    return Inherited(
        auth_token=secrets[TOKEN_VARIABLE] if credential is None else credential,
        is_supervised="NOTIFY_SOCKET" in given or ("INVOCATION_ID" in os.environ and not has_terminal()),
        sockets=_sockets(given),
        notify_address=given.get("NOTIFY_SOCKET"),
        watchdog_s=_watchdog_s(given),
    )


def _take_secret(name: str) -> str | None:
    if name not in os.environ:
        return None
    _overwrite(name)
    return os.environ.pop(name)


def _store_with_password() -> tuple[str, ...]:
    return (STORE_VARIABLE,) if may_hold_password(os.environ.get(STORE_VARIABLE, "")) else ()


def may_hold_password(store_url: str) -> bool:
    """Return whether a text looks like a store URL with a password; it need not be a valid URL."""
    credentials, _, _ = store_url.partition("://")[2].rpartition("@")
    return ":" in credentials or any(f"{option}=" in store_url for option in ("password", "listen_url"))


def _overwrite(name: str) -> None:
    """Overwrite a value in the memory that /proc/PID/environ shows; `os.environ` has a copy."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    address = getenv(os.fsencode(name))
    if address is not None:
        ctypes.memset(address, 0, len(ctypes.string_at(address)))


def _credential(folder: Path | None) -> str | None:
    if folder is None:
        return None
    try:
        return (folder / TOKEN_CREDENTIAL).read_text(encoding="utf-8").strip()
    except FileNotFoundError:  # the unit passes other credentials
        return None
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"The credential {TOKEN_CREDENTIAL!r} cannot be read: {error}.", remedy="Check the unit's LoadCredential=."
        ) from error


def _watchdog_s(given: dict[str, str]) -> float | None:
    usec = given.get("WATCHDOG_USEC", "")
    is_ours = given.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(usec) / 1e6 if usec.isdigit() and is_ours else None


def _sockets(given: dict[str, str]) -> tuple[socket.socket, ...]:
    count = given.get("LISTEN_FDS", "")
    if not count.isdigit() or given.get("LISTEN_PID") != str(os.getpid()):
        return ()
    return tuple(_listener(_FIRST_PASSED_DESCRIPTOR + index) for index in range(int(count)))


def _listener(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's own signature
        listener = socket.socket(fileno=descriptor)
        is_listening = bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        raise _no_listener(descriptor) from error
    if not is_listening or listener.type is not socket.SOCK_STREAM:
        raise _no_listener(descriptor)
    listener.setblocking(False)  # noqa: FBT003 - as above
    return listener


def _no_listener(descriptor: int) -> UserError:
    return UserError(
        f"Descriptor {descriptor}, which was passed to this process, is not a listening stream socket.",
        remedy="Use ListenStream= and Accept=no in the socket unit.",
    )

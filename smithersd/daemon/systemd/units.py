"""Unit files for systemd: the templates in the folder `systemd/`, and the drop-ins of one run."""

import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path

from smithersd.daemon.launch.environment import TOKEN_CREDENTIAL
from smithersd.daemon.launch.system_refusals import home_folder
from smithersd.errors import InvalidRequest, UserError

_PACKAGED = Path(__file__).parents[2] / "units"
_CHECKOUT = Path(__file__).parents[3] / "systemd"
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_HEAD = "# Written by `smithers systemd install`, which replaces it each time that it is run.\n"


@dataclass(frozen=True, slots=True)
class Instance:
    """One run as a service.

    `command` is the whole command line, `address` what a socket unit listens on (None: no such unit), `token_file` the
    path of the token. `user` is the account it runs as: None under a user's own manager.
    """

    run_id: str
    folder: Path
    command: tuple[str, ...]
    search_path: str
    user: str | None = None
    address: str | None = None
    token_file: Path | None = None

    @property
    def is_system(self) -> bool:
        """Whether the system's manager runs the service, not a user's."""
        return self.user is not None

    @property
    def service(self) -> str:
        """The name of the service unit."""
        return f"smithersd@{self.run_id}.service"

    @property
    def socket(self) -> str:
        """The name of the socket unit."""
        return f"smithersd@{self.run_id}.socket"


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A unit file or drop-in: its path and its text."""

    path: Path
    text: str

    def write(self) -> None:
        """Write the file, and create its folder.

        Raises:
            UserError: the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.text, encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"{str(self.path)!r} cannot be written: {error.strerror}.",
                remedy="The system's units belong to root: use sudo, or --print and copy them yourself.",
            ) from error


def unit_files(instance: Instance) -> list[UnitFile]:
    """Return the files that make the run a service.

    Raises:
        InvalidRequest: a value cannot be written in a unit file.
    """
    folder = _manager_folder(is_system=instance.is_system)
    kind = "system" if instance.is_system else "user"
    files = [
        UnitFile(folder / "smithersd@.service", _template(f"{kind}/smithersd@.service")),
        UnitFile(folder / f"{instance.service}.d" / "run.conf", _service_text(instance)),
    ]
    if instance.address is not None:
        files += [
            UnitFile(folder / "smithersd@.socket", _template("smithersd@.socket")),
            UnitFile(folder / f"{instance.socket}.d" / "run.conf", _socket_text(instance.address)),
        ]
    return files


def owner_of(path: Path) -> str:
    """Return the name of the user whom a file belongs to."""
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _manager_folder(*, is_system: bool) -> Path:
    if is_system:
        return Path("/etc/systemd/system")
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else home_folder() / ".config") / "systemd" / "user"


def _template(name: str) -> str:
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return (folder / name).read_text(encoding="utf-8")


def _service_text(instance: Instance) -> str:
    unit = [] if instance.address is None else ["[Unit]", f"Requires={instance.socket}", ""]
    user = [] if instance.user is None else [f"User={_value(instance.user)}"]
    token = [] if instance.token_file is None else [_credential_line(instance.token_file)]
    return _text(
        *unit,
        "[Service]",
        *user,
        f"WorkingDirectory={_value(str(instance.folder))}",
        "ExecStart=",
        f"ExecStart={' '.join(map(_word, instance.command))}",
        f"Environment={_quoted(_escaped(f'PATH={instance.search_path}'))}",
        *token,
    )


def _credential_line(token_file: Path) -> str:
    return f"LoadCredential={TOKEN_CREDENTIAL}:{_value(str(token_file))}"


def _socket_text(address: str) -> str:
    return _text("[Socket]", "ListenStream=", f"ListenStream={address}")


def _text(*lines: str) -> str:
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _value(text: str) -> str:
    """Return a value that systemd reads unchanged to the end of its line.

    Raises:
        InvalidRequest: it has blanks at its ends, a backslash at its end, or characters that cannot be printed.
    """
    if text != text.strip() or text.endswith("\\"):
        raise _unwritable(text)
    return _escaped(text)


def _word(word: str) -> str:
    """Return a word of a command line, quoted so that systemd neither splits it nor replaces anything in it."""
    escaped = _escaped(word).replace("$", "$$")
    return escaped if _PLAIN.fullmatch(escaped) else _quoted(escaped)


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _escaped(text: str) -> str:
    """Return a value with its percent signs doubled, so that systemd replaces no specifier in it."""
    if not text.isprintable():
        raise _unwritable(text)
    return text.replace("%", "%%")


def _unwritable(text: str) -> InvalidRequest:
    return InvalidRequest(f"{text!r} cannot be written in a unit file.", remedy="Use a plainer name.")

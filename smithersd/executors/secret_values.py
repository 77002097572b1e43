"""Read the values of secrets: from the environment, from files, from systemd's credentials."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from smithersd.core.flow.values import Secrets
from smithersd.errors import SecretUnavailable
from smithersd.limits import KIB, SECRET_BYTES_MAX, SECRET_LENGTH_MIN
from smithersd.posix.credentials import credentials_folder


def read_secrets(names: Iterable[str]) -> Secrets:
    """Return the values of secrets by their names; may block while files are read.

    Raises:
        SecretUnavailable: one is not there, cannot be read, or is too short or too long.
    """
    return {name: _checked(name, _read(name)) for name in names}


def _read(name: str) -> str:
    value = os.environ.get(name)
    if value:
        return value
    file = os.environ.get(f"{name}_FILE")
    if file:
        return _read_file(name, Path(file), f"which {name}_FILE names")
    folder = credentials_folder()
    if folder is not None and (folder / name).exists():
        return _read_file(name, folder / name, "its systemd credential")
    variable = f"the environment variable {name} is {'empty' if value == '' else 'not set'}"
    credential = "systemd passed no credentials" if folder is None else f"systemd passed no credential {name!r}"
    raise SecretUnavailable(f"The secret {name!r} was not found: {variable}, {name}_FILE is not set, and {credential}.")


def _read_file(name: str, path: Path, source: str) -> str:
    """Read a file without waiting for a writer, as a pipe would; the line end at its end is not part of the secret."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SecretUnavailable(f"The secret {name!r} cannot be read: {str(path)!r}, {source}, is not a file.")
            data = file.read(SECRET_BYTES_MAX + 2)
    except OSError as error:
        raise SecretUnavailable(
            f"The secret {name!r} cannot be read from {str(path)!r}, {source}: {error.strerror}."
        ) from None
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretUnavailable(f"The secret {name!r} in {str(path)!r}, {source}, is not UTF-8.") from None


def _checked(name: str, value: str) -> str:
    if len(value) < SECRET_LENGTH_MIN:
        raise SecretUnavailable(
            f"The secret {name!r} has {len(value)} characters; with fewer than {SECRET_LENGTH_MIN} it cannot be "
            "recognised in what the attempt prints."
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise SecretUnavailable(f"The secret {name!r} is not UTF-8.") from None
    if size > SECRET_BYTES_MAX:
        raise SecretUnavailable(f"The secret {name!r} is larger than {SECRET_BYTES_MAX // KIB} KiB.")
    return value

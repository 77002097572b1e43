"""The workflow's input, as given on the command line."""

import sys
from pathlib import Path

from smithersd.core.json_text import parse_json
from smithersd.errors import InvalidInput
from smithersd.limits import JSON_DEPTH_MAX


def read_input(given: str | None) -> str | None:
    """Return the JSON text of `--input`: JSON, `@file` or `-` (stdin); None if the flag was not given.

    Raises:
        InvalidInput: the input cannot be read or is not valid JSON.
    """
    if given is None:
        return None
    text, where = _read(given)
    try:
        parse_json(text, depth_max=JSON_DEPTH_MAX)
    except ValueError as error:
        remedy = "Quote it for the shell: --input '{...}'."
        raise InvalidInput(f"{where} is not valid JSON: {error}.", remedy=remedy) from None
    return text


def _read(given: str) -> tuple[str, str]:
    try:
        if given == "-":
            return sys.stdin.read(), "The input on stdin"
        if given.startswith("@"):
            return Path(given[1:]).read_text(encoding="utf-8"), f"The input file {given[1:]!r}"
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"The input {given!r} cannot be read: {error}.") from error
    return given, "The input"

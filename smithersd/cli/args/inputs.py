"""The workflow's input, as given on the command line: whole with --input, key by key with -i."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from smithersd.core.json_text import JsonTooDeep, parse_json
from smithersd.elements.texts import shown
from smithersd.errors import InvalidInput
from smithersd.limits import JSON_DEPTH_MAX

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def input_options(command: CommandT) -> CommandT:
    """Add --input and -i to a command, as `given_input` and `given_keys`."""
    whole = click.option("--input", "given_input", metavar="JSON|@FILE|-", help="The workflow's input.")
    keys = click.option(
        "-i", "given_keys", metavar="KEY=VALUE", multiple=True, help="One key of the input: JSON, or else a text."
    )
    return whole(keys(command))


def read_input(given: str | None, keys: Sequence[str] = ()) -> str | None:
    """Return the input as JSON text; None if there is none.

    `given` is the value of --input: JSON, `@file` or `-` (stdin). `keys` are those of -i, each KEY=VALUE; they are set
    in the object that `given` is, and win over its keys.

    Raises:
        InvalidInput: an input cannot be read, is not valid JSON, or is no object and has keys set.
    """
    text = None if given is None else _whole_input(given)
    if not keys:
        return text
    pairs = list(map(_pair, keys))
    whole = {} if text is None else json.loads(text)
    if not isinstance(whole, dict):
        raise InvalidInput(
            f"-i sets a key of the input, but the input {shown(whole)} is not a JSON object.",
            remedy="Leave -i out, or give an object with --input.",
        )
    for key, _ in pairs:
        if sum(key == other for other, _ in pairs) > 1:
            raise InvalidInput(f"-i sets the key {key!r} more than once.", remedy="Give each key once.")
    return json.dumps(whole | dict(pairs), ensure_ascii=False)


def _whole_input(given: str) -> str:
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


def _pair(given: str) -> tuple[str, Any]:
    key, equals, text = given.partition("=")
    if not (key and equals):
        raise InvalidInput(
            f"-i {given!r} is not KEY=VALUE.", remedy="Name a key: -i version=1.4. A whole input is given with --input."
        )
    try:
        given.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"-i {given!r} is not UTF-8.") from None
    return key, _value(key, text)


def _value(key: str, text: str) -> Any:
    """Return the value of a text that is JSON, else the text itself."""
    try:
        return parse_json(text, depth_max=JSON_DEPTH_MAX)
    except JsonTooDeep as error:
        raise InvalidInput(f"The value of -i {key} cannot be an input: {error}.", remedy="Give flatter data.") from None
    except ValueError:
        return text
